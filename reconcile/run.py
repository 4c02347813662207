"""One run of one site: read the directory, then the activity; wait until it is in the warehouse, rebuild, report."""

import secrets
from collections.abc import Set
from dataclasses import dataclass, field, replace

from reconcile.account import Caller, account_of, caller_of, myself
from reconcile.backfill.activity import backfill
from reconcile.backfill.context import UNREADABLE, BackfillContext, FeedPage, WindowFacts, reason_of
from reconcile.client.endpoints import MYSELF, SERVER_INFO, WORKLOGS_UPDATED
from reconcile.client.jira_client import JiraClient, Limits, connected
from reconcile.client.jira_errors import AccountRefusedError, JiraError, JiraRefusedError
from reconcile.coverage import Coverage, coverage_of_dry_run, read_coverage, warn_of_coverage
from reconcile.directory.snapshot import Snapshot
from reconcile.progress import LoggedProgress, Progress
from reconcile.publisher import DirectoryPublisher, ExistingFacts, FactPublisher
from reconcile.responses import Myself, WorklogFeed
from reconcile.sink import Sink, try_rebuild
from reconcile.state.checkpoint import (
    Checkpoint,
    Part,
    keep_last_run,
    last_run_of,
    notes_with_hidden,
    place_of,
    read_last_run,
)
from reconcile.state.run_state import RunState, forget_run, opened_state, state_folder
from reconcile.state.watermark import (
    Present,
    Watermark,
    is_of_settings,
    keep_watermark,
    moved_since,
    present_of,
    read_before,
    read_since,
    read_watermark,
    roles_due,
    shortfalls_of,
    watermark_after,
    worklogs_from,
)
from reconcile.state.window import WindowRequest, window
from rollcall.clock import now_ms
from rollcall.errors import WarehouseUnavailableError
from rollcall.forgotten_accounts import KeptOut
from rollcall.logs import logger
from rollcall.records import DaysRead
from rollcall.runtime import Runtime
from rollcall.settings import Settings

log = logger(__name__)

_DIRECTORY = "users, licenses and roles"
_ACCOUNT = "who the account is, and so whether Jira gives it everything"


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a run of a site works with.

    Attributes:
        name: The site's name in the settings.
        settings: All settings.
        jira: The client of the site's REST API.
        runtime: Whose log the records go to; None for a dry run.
        existing: What the warehouse knows; None when it cannot be queried.
        state: Remembers how far the run is.
        progress: Shows how far the run is.
        watermark: How far the runs before have read the site; None where that is not known.
        kept_out: Says whom to keep off the log; None for nobody.
    """

    name: str
    settings: Settings
    jira: JiraClient
    runtime: Runtime | None
    existing: ExistingFacts | None
    state: RunState
    progress: Progress
    watermark: Watermark | None = None
    kept_out: KeptOut | None = None


LOOKBACK_PARTS: tuple[Part, ...] = ("activity",)
"""What of a run reads further back than each run does: who there is, is read with the days of each."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run is to do.

    Attributes:
        window: Which days to read. Of the default ones only what moved since the run before, where that is known.
        parts: The halves of a run to do: who there is, what happened.
        dry_run: Write nothing, only report.
        resume: Go on with an interrupted run, whose window and parts then hold.
        whole: Read all of the default window, and the project roles, whatever was read before.
    """

    window: WindowRequest = field(default_factory=WindowRequest)
    parts: tuple[Part, ...] = ("directory", "activity")
    dry_run: bool = False
    resume: bool = False
    whole: bool = False


async def read_site(site: RunContext, options: RunOptions, left: Checkpoint | None = None) -> Checkpoint:
    """Read from Jira and put what it says on the log; what it came to is in the checkpoint returned.

    The directory's failure does not stop the activity: it is named under ``missing``, and ``--resume`` tries it again
    unless Jira refused it.

    Args:
        site: What the run works with.
        options: The window and the parts.
        left: The checkpoint of an interrupted run to go on with.

    Raises:
        SettingsError: The window is empty.
        JiraError: Jira is away, or does not take the account; ``--resume`` goes on.
        LogUnavailableError: The log takes nothing; likewise.
        CheckpointError: The checkpoint cannot be written.
    """
    watermark = await _standing_watermark(site)
    if left is None and (known := await _known_caller(site, options, watermark)):
        present = await present_of(site.name, site.jira)
        run = _begin(site, options, present, known.basis, watermark)
        if run.moved:
            await _read(site, run, present, known)
            if await _is_known_still(site, run, known):
                return await _ended(site, run)
            log.warning("another account asks, or its zone changed; all of the window is read", site=site.name)
            site.state.begin_anew()
            options = replace(options, whole=True)
    # First of all: with bad credentials some endpoints answer as to nobody (see clients), and that looks like success.
    account = await account_of(site.jira)
    present = await present_of(site.name, site.jira)
    caller = caller_of(site.settings, site.name, account) if isinstance(account, Myself) else Caller(probe=SERVER_INFO)
    run = left or _begin(site, options, present, caller.basis, watermark)
    if left:
        run.covers &= run.basis == caller.basis
        run.resumed, run.unfinished = run.resumed + 1, False
        site.jira.stats.add(run.stats)
    run.missing = [what for what in run.missing if not what.startswith(_ACCOUNT)]
    if isinstance(account, JiraError):
        run.missing.append(f"{_ACCOUNT}: {reason_of(account)}")
    await _read(site, run, present, caller)
    if isinstance(account, Myself):
        await _confirm_account(site, run, account)
    return await _ended(site, run)


async def _read(site: RunContext, run: Checkpoint, present: Present, caller: Caller) -> None:
    place = place_of(run)
    run.place, run.tries = place, run.tries + 1 if run.place == place else 1
    run.zone = caller.zone
    site.state.keep(run)
    directory = await _directory(site, run, caller) if "directory" in run.parts else None
    if "activity" in run.parts:
        await _activity(site, run, present.latest, caller, directory.listed if directory else None)
        if directory:
            await directory.look_for(run.found.strangers)


async def _ended(site: RunContext, run: Checkpoint) -> Checkpoint:
    run.stats = site.jira.stats
    gaps = [gap.words() for gap in run.gaps]
    run.missing = [what for what in run.missing if UNREADABLE not in what and what not in gaps] + gaps
    if count := run.found.skipped[UNREADABLE]:
        run.missing.append(f"{count} {UNREADABLE}; please report it")
    elif since := read_since(run):
        told = DaysRead(site=site.name, snapshot_id=run.started_at, since=since)
        await DirectoryPublisher(site.runtime, run.found, site.kept_out).tell(told)
    run.notes = notes_with_hidden(run)
    if not run.unfinished:
        run.tries = 0  # what is left to do is not Jira's, and a new run would not do it sooner
    site.state.keep(run)
    return run


async def _known_caller(site: RunContext, options: RunOptions, watermark: Watermark | None) -> Caller | None:
    """Return who asks as the run before knew it, where it is enough to ask at the end whether that is so still.

    The first question is then one that a run of what moved asks in any case, and tells Jira's present.

    Raises:
        AccountRefusedError: Jira does not take the account.
    """
    whole = options.whole or options.dry_run or "activity" not in options.parts or options.window != WindowRequest()
    if whole or watermark is None or not is_of_settings(watermark, site.settings, site.name):
        return None
    since = worklogs_from(watermark, site.settings.reconcile)
    try:
        page = await site.jira.read(WorklogFeed, WORKLOGS_UPDATED, query={"since": since}, attempts=2)
    except AccountRefusedError:
        raise
    except JiraError:
        return None  # who asks may tell why
    return Caller(watermark.basis, watermark.zone, FeedPage(since, page))


async def _is_known_still(site: RunContext, run: Checkpoint, known: Caller) -> bool:
    """Ask at the end who we are; return whether it is who the run was begun as, or Jira does not tell.

    Raises:
        JiraError: Jira does not take the account, or does not answer at all.
    """
    try:
        account = await account_of(site.jira)
    except JiraRefusedError as error:
        raise _refused_at_the_end(site, error) from None
    if isinstance(account, JiraError):
        run.missing.append(f"{_ACCOUNT}: {reason_of(account)}")
        run.basis = ""  # the next run begins where this one did
        return True
    return caller_of(site.settings, site.name, account).basis == known.basis


async def _confirm_account(site: RunContext, run: Checkpoint, account: Myself) -> None:
    """Ask at the end who we are, for with a token that died under way some answers were to nobody, and look whole.

    Raises:
        JiraRefusedError: Jira no longer takes the account. What was read is not to be gone on with.
        JiraError: Jira does not answer at all.
    """
    try:
        if (found := await myself(site.jira)).account_id != account.account_id:
            raise JiraRefusedError(f"{MYSELF.name}: Jira takes us for another account than before")
    except JiraRefusedError as error:
        raise _refused_at_the_end(site, error) from None
    if found.time_zone != account.time_zone:
        run.basis = ""  # in which of them the query was read nobody knows: the next run begins where this one did


def _refused_at_the_end(site: RunContext, error: JiraRefusedError) -> JiraRefusedError:
    site.state.discard()
    return type(error)(
        f"at the end of the run, so that it may have read too little and the next one begins anew: {error}",
        error.status,
    )


async def _standing_watermark(site: RunContext) -> Watermark | None:
    """Return how far the site was read, unless the warehouse has not what was read then."""
    if (watermark := site.watermark) is None or not watermark.newest:
        return watermark
    if await _newest(site.existing, site.name) < watermark.newest:
        log.warning("the warehouse lacks what earlier runs brought; all of the window is read", site=site.name)
        return None
    return watermark


async def _newest(existing: ExistingFacts | None, name: str) -> int:
    try:
        return await existing.newest(name) if existing else 0
    except WarehouseUnavailableError:
        return 0


def _begin(
    site: RunContext, options: RunOptions, present: Present, basis: str, watermark: Watermark | None
) -> Checkpoint:
    settings, zone, now = site.settings.reconcile, site.settings.sites[site.name].zone(), present.latest
    asked = (options.window, WindowRequest())
    span, daily = (window(request, settings, zone, now, present.earliest) for request in asked)
    before = None if options.whole else watermark
    covers = span.since <= daily.since and span.until >= daily.until
    # What was asked for by its days is read whole. A dry run can only compare what it finds itself.
    moves = options.window == WindowRequest() and not options.dry_run
    return Checkpoint(
        site=site.name,
        run_id=secrets.token_hex(8),
        started_at=now_ms(),
        window=span,
        parts=list(options.parts),
        whole=set(options.parts) == set(RunOptions().parts) and covers,
        began=present.earliest if present.told else 0,
        basis=basis,
        covers=covers and "activity" in options.parts,
        stood=shortfalls_of(watermark, basis),
        read_since=read_before(watermark, basis, daily),
        moved=moved_since(before, basis, now, span, settings) if moves else None,
        # Who asks for the directory alone asks for all of it.
        roles_due=options.whole or "activity" not in options.parts or roles_due(watermark, basis, now, settings),
    )


async def _directory(site: RunContext, run: Checkpoint, caller: Caller) -> Snapshot:
    """Take the directory, unless that was done; its failure does not keep the activity from being read."""
    publisher = DirectoryPublisher(site.runtime, run.found)
    snapshot = Snapshot(site.jira, publisher, run, site.settings, site.progress, site.existing, caller.account_id)
    if run.directory_done:
        await snapshot.list_again()
        return snapshot
    run.missing = [what for what in run.missing if not what.startswith(_DIRECTORY)]
    try:
        await snapshot.take()
        run.directory_done = True
    except JiraError as error:
        refused = isinstance(error, JiraRefusedError)
        if not refused and "activity" not in run.parts:
            raise
        run.directory_done, run.unfinished = refused, not refused
        run.missing.append(f"{_DIRECTORY}: {error}")
        log.error("the directory could not be read; reports go on with the last whole one", cause=str(error))
    run.stats = site.jira.stats
    site.state.keep(run)
    return snapshot


async def _activity(site: RunContext, run: Checkpoint, now: int, caller: Caller, listed: Set[str] | None) -> None:
    """Take what happened."""
    zone = site.settings.sites[site.name].zone()
    context = BackfillContext(
        jira=site.jira,
        facts=WindowFacts(site.name, run.window, now_ms(), now, run.found),
        publisher=FactPublisher(site.runtime, site.name, site.existing, run.found, zone, listed, site.kept_out),
        state=site.state,
        checkpoint=run,
        progress=site.progress,
        overlap_ms=int(site.settings.reconcile.overlap_hours * 3_600_000),
        probe=caller.probe,
        first_page=caller.first_page,
    )
    await backfill(context, now, caller.zone)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What a run came to; it is complete when nothing is missing."""

    run: Checkpoint
    coverage: Coverage | None

    @property
    def complete(self) -> bool:
        """Whether everything was done."""
        return not self.run.missing


async def run_site(
    settings: Settings,
    name: str,
    options: RunOptions,
    sink: Sink,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> RunOutcome:
    """Reconcile one site.

    Args:
        settings: The settings.
        name: The site's name in them.
        options: What to do.
        sink: The log and the warehouse.
        limits: In place of those in the settings; for tests.
        progress: Hears how far it is; a line of the log for every step unless given.

    Raises:
        RollcallError: It failed; unless it was a dry run, `--resume` goes on.
    """
    site, folder = settings.sites[name], state_folder(settings)
    with opened_state(settings, name, resume=options.resume, lasting=not options.dry_run) as (state, left):
        progress = progress or LoggedProgress(name)
        async with connected(name, site, settings.reconcile, limits) as jira:
            jira.pauses.listener = progress.wait
            watermark = read_watermark(folder, name) if folder else None
            context = RunContext(
                name, settings, jira, sink.runtime, sink.existing, state, progress, watermark, sink.kept_out
            )
            run = await read_site(context, options, left)
        written = await _is_written_through(settings, name, run, sink) if sink.runtime else False
        if options.dry_run:
            coverage = await coverage_of_dry_run(run.found, sink.reader, settings, name)
        else:
            coverage = await read_coverage(sink.reader, settings, name, run.window) if sink.reader else None
        warn_of_coverage(name, coverage)
        if sink.runtime and folder:
            # Before the checkpoint goes: a crash in between costs a look, the other way round it would cost a run.
            read = written and not run.found.skipped[UNREADABLE]  # which of all it was nobody knows
            newest = await _newest(sink.existing, name)
            keep_watermark(folder, name, watermark_after(run, watermark, read=read, newest=newest))
            if last := last_run_of(run, read_last_run(folder, name)):
                keep_last_run(folder, name, last)
            if not run.unfinished:
                forget_run(folder, name)
    return RunOutcome(run, coverage)


async def _is_written_through(settings: Settings, name: str, run: Checkpoint, sink: Sink) -> bool:
    missing = await sink.write()
    if not missing and "activity" in run.parts:
        missing = await try_rebuild(sink, name, run.window.days(settings.sites[name].zone()))
    if missing:
        run.unfinished = True
        run.missing.append(missing)
    return not missing
