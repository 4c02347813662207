"""One run of one site: first who there is, then what happened."""

import secrets
from dataclasses import dataclass, field

from reconcile.backfill.activity import backfill
from reconcile.backfill.work import UNREADABLE, Work
from reconcile.client.endpoints import MYSELF, SERVER_INFO
from reconcile.client.errors import JiraError, JiraRefusedError
from reconcile.client.jira import JiraClient
from reconcile.directory.outbox import DirectoryOutbox
from reconcile.directory.snapshot import Snapshot
from reconcile.facts.maker import Maker
from reconcile.known import KnownFacts
from reconcile.outbox import Outbox
from reconcile.progress import Progress
from reconcile.resume.checkpoint import Checkpoint, Part
from reconcile.resume.memory import Memory
from reconcile.shapes.site import Myself, ServerInfo
from reconcile.window import Wanted, window
from rollcall.clock import now_ms
from rollcall.errors import SettingsError
from rollcall.eventlog import EventLog
from rollcall.jira_time import parse_jira_time
from rollcall.logs import logger
from rollcall.settings import Settings
from rollcall.topics import topics_of

log = logger(__name__)

_DIRECTORY = "users, licenses and roles"
_CLOCKS_MS = 120_000
"""Difference of clocks worth a note."""


@dataclass(frozen=True, slots=True)
class Site:
    """What a run of a site works with.

    Attributes:
        name: The site's name in the settings.
        settings: All settings.
        jira: Asks the site.
        event_log: Where records go; None for a dry run.
        known: What the warehouse knows; None when it cannot be asked.
        memory: Remembers how far the run is.
        progress: Is told.
    """

    name: str
    settings: Settings
    jira: JiraClient
    event_log: EventLog | None
    known: KnownFacts | None
    memory: Memory
    progress: Progress


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to do; `left` is the checkpoint of an interrupted run to go on with."""

    wanted: Wanted = field(default_factory=Wanted)
    parts: tuple[Part, ...] = ("directory", "activity")
    left: Checkpoint | None = None


async def reconcile_site(site: Site, plan: Plan) -> Checkpoint:
    """Ask Jira and put what it says on the log; what it came to is in the checkpoint returned.

    The directory's failure does not stop the activity: it is named under ``missing``, and ``--resume`` tries it again
    unless Jira refused it.

    Raises:
        SettingsError: The window asked for is empty.
        JiraError: Jira could not be asked; ``--resume`` goes on.
        LogUnavailableError: The log takes nothing; likewise.
        CheckpointError: The checkpoint cannot be written.
    """
    # First of all: with bad credentials some endpoints answer as to a stranger (clients), and that looks like success.
    myself = await site.jira.read(Myself, MYSELF)
    now = await _present(site)
    run = plan.left or _begin(site, plan, now)
    if plan.left:
        run.resumed, run.unfinished = run.resumed + 1, False
        site.jira.tally.add(run.tally)
    site.memory.keep(run)
    if "directory" in run.parts and not run.directory_done:
        await _directory(site, run)
    if "activity" in run.parts:
        await _activity(site, run, now, myself.time_zone)
    run.tally = site.jira.tally
    run.missing = [what for what in run.missing if UNREADABLE not in what]
    if count := run.found.skipped[UNREADABLE]:
        run.missing.append(f"{count} {UNREADABLE}; please report it")
    site.memory.keep(run)
    return run


async def _present(site: Site) -> int:
    """Return Jira's present, epoch ms."""
    info = await site.jira.read(ServerInfo, SERVER_INFO)
    try:
        theirs = parse_jira_time(info.server_time)
    except ValueError:
        return now_ms()
    if abs(theirs - now_ms()) > _CLOCKS_MS:
        seconds = round((theirs - now_ms()) / 1000)
        log.warning("the clocks of Jira and of this machine differ", site=site.name, seconds=seconds)
    return theirs


def _begin(site: Site, plan: Plan, now: int) -> Checkpoint:
    settings = site.settings
    zone = settings.sites[site.name].zone()
    try:
        span = window(plan.wanted, settings.reconcile, zone, now)
        daily = window(Wanted(), settings.reconcile, zone, now)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    return Checkpoint(
        site=site.name,
        run_id=secrets.token_hex(8),
        started_at=now_ms(),
        window=span,
        parts=list(plan.parts),
        whole=set(plan.parts) == set(Plan().parts) and span.since <= daily.since and span.until >= daily.until,
    )


async def _directory(site: Site, run: Checkpoint) -> None:
    """Take the directory; its failure does not keep the activity from being read."""
    outbox = DirectoryOutbox(site.event_log, topics_of(site.settings).directory.name, run.found)
    run.missing = [what for what in run.missing if not what.startswith(_DIRECTORY)]
    try:
        await Snapshot(site.jira, outbox, run, site.settings.reconcile, site.progress, site.known).take()
        run.directory_done = True
    except JiraError as error:
        refused = isinstance(error, JiraRefusedError)
        if not refused and "activity" not in run.parts:
            raise
        run.directory_done, run.unfinished = refused, not refused
        run.missing.append(f"{_DIRECTORY}: {error}")
        log.error("the directory could not be read; reports go on with the last whole one", cause=str(error))
    run.tally = site.jira.tally
    site.memory.keep(run)


async def _activity(site: Site, run: Checkpoint, now: int, zone: str | None) -> None:
    settings = site.settings
    topic = topics_of(settings).activity.name
    work = Work(
        jira=site.jira,
        maker=Maker(site.name, run.window, now_ms()),
        outbox=Outbox(site.event_log, topic, site.name, site.known, run.found, settings.sites[site.name].zone()),
        memory=site.memory,
        checkpoint=run,
        progress=site.progress,
        overlap_ms=int(settings.reconcile.overlap_hours * 3_600_000),
    )
    await backfill(work, now, zone)
