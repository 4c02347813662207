"""The schedule: the runs that `up` does by itself, the first 30 days at the first start, then once a day.

Whether a run is due is checked again and again rather than awaited once: so a run that was missed because nothing ran
at its hour is due at the next start, the first one of all is due at once, and a changed clock does no harm.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from reconcile.client.jira_client import Limits
from reconcile.progress import Notice, NoticeProgress
from reconcile.run import LOOKBACK_PARTS, RunOptions, RunOutcome, run_site
from reconcile.sink import RebuildDays, sink_beside_consumers
from reconcile.state.checkpoint import (
    HIDDEN,
    CheckpointError,
    LastRun,
    last_run_of,
    read_checkpoint,
    read_last_run,
    why_new,
)
from reconcile.state.run_state import state_folder
from reconcile.state.watermark import lookback
from rollcall.clock import now_ms
from rollcall.errors import RollcallError
from rollcall.logs import kind_and_place, logger
from rollcall.metrics import (
    COVERAGE_RATIO,
    RECONCILE_FACTS,
    RECONCILE_FAILED,
    RECONCILE_LAST,
    RECONCILE_LAST_COMPLETE,
    RECONCILE_MISSING,
    RECONCILE_REQUESTS,
    RECONCILE_WAIT_SECONDS,
)
from rollcall.runtime import StoredRuntime, cancel_requested
from rollcall.settings import SiteSettings

log = logger(__name__)


def last_due(now: datetime, at: str, zone: ZoneInfo) -> datetime:
    """Return the latest moment, up to now, at which the day's run should have begun.

    Args:
        now: An aware moment.
        at: Time of day, ``HH:MM``. One that the clocks skip in spring counts an hour later, one that they repeat in
            autumn counts once.
        zone: The zone that the time is in.
    """
    hour, minute = map(int, at.split(":"))
    local = now.astimezone(zone)
    due = datetime(local.year, local.month, local.day, hour, minute, tzinfo=zone)
    # Compared as moments: two times of one zone would be compared by their faces.
    if due.timestamp() <= now.timestamp():
        return due
    before = local.date() - timedelta(days=1)
    return datetime(before.year, before.month, before.day, hour, minute, tzinfo=zone)


def is_due(now: datetime, last_whole: datetime | None, at: str, zone: ZoneInfo) -> bool:
    """Return whether a run should begin now: never was a whole one, or the last began before it was last due."""
    return last_whole is None or last_whole.timestamp() < last_due(now, at, zone).timestamp()


_CHECK_SECONDS = 30.0
_AFTER_A_FAILURE = timedelta(hours=1)
_AFTER_A_SPAN = timedelta(days=1)
"""Until a span is tried again that Jira did not give whole: it costs as much each time."""


def _now() -> datetime:
    return datetime.fromtimestamp(now_ms() / 1000, UTC)


class Schedule:
    """Looks whether a site's run is due, and does it.

    Args:
        runtime: The log that what Jira answers is put on, and the warehouse that consumers of this process or of its
            engine write.
        limits: In place of those in the settings; for tests.
        rebuild: Rebuilds days, where the warehouse is another process's; None does it here.
    """

    def __init__(
        self, runtime: StoredRuntime, limits: Limits | None = None, rebuild: RebuildDays | None = None
    ) -> None:
        self._runtime = runtime
        self._rebuild = rebuild
        self._settings = settings = runtime.settings
        self._limits = limits
        self._sites = {name: site for name, site in settings.sites.items() if site.names_token}
        self._running: NoticeProgress | None = None
        self._failed: dict[str, tuple[datetime, str]] = {}
        self._last: dict[str, LastRun] = {}
        self._hidden: dict[str, list[str]] = {}
        self._stuck: dict[str, tuple[datetime, str]] = {}

    def notices(self) -> Sequence[Notice]:
        """Return what is under way and what went wrong, for the page."""
        shown = [self._running.notice] if self._running else []
        return (
            shown
            + [
                Notice(f"{site} could not be read whole from Jira, the next try is within the hour: {why}")
                for site, (_, why) in self._failed.items()
            ]
            + [
                Notice(f"{site}: the days before those of each run could not be read: {why}")
                for site, (_, why) in self._stuck.items()
            ]
            + [Notice(f"{site}: {note}") for site, notes in self._hidden.items() for note in notes]
        )

    def state(self) -> str:
        """Return in a few words how the runs go, fit for everybody: no site's name, nothing that Jira said."""
        if not self._settings.reconcile.daily_at:
            return "off"
        if not self._failed:
            return "ok"
        sites = f"{len(self._failed)} of {len(self._sites)} sites"
        return f"failed for {sites}, tried again within the hour; the page and the log say why"

    async def run(self) -> None:
        """Do the runs as they fall due, for ever; a failure of whatever kind is logged, and tried again an hour later.

        What Jira refuses the account is no failure: another try would be refused too, so it waits for the next day's.
        An interrupted run is gone on with, unless it is a day old or failed three times at one place.
        """
        for name in self._settings.sites.keys() - self._sites.keys():
            log.info("not read from Jira: it has no email and API token in the settings", site=name)
        while True:
            for name, site in self._sites.items():
                if self._settings.reconcile.daily_at:
                    await self._run_if_due(name, site)
                self._tell(name)
            await asyncio.sleep(_CHECK_SECONDS)

    async def _run_if_due(self, name: str, site: SiteSettings) -> None:
        try:
            if self._is_due(name, site):
                await self._reconcile(name)
            elif name not in self._stuck or _now() >= self._stuck[name][0]:
                await self._look_back(name)
        except RollcallError as error:
            self._note(name, str(error))
        except asyncio.CancelledError as error:
            if cancel_requested():
                raise
            self._note(name, f"unexpectedly, please report it: {kind_and_place(error)}")
        except Exception as error:  # of ours or of a library's: the next try may fare better
            self._note(name, f"unexpectedly, please report it: {kind_and_place(error)}")

    def _note(self, name: str, why: str) -> None:
        now = _now()
        if name in self._failed and now < self._failed[name][0] + _AFTER_A_FAILURE:
            return  # the check itself failed, which comes every half minute, and that was logged
        log.error("reconcile run failed", site=name, cause=why)
        self._failed[name] = (now, why)

    def _tell(self, name: str) -> None:
        """Set the metrics of the site's runs, with those of `rollcall reconcile` where there is a folder for both."""
        RECONCILE_FAILED.labels(name).set(name in self._failed)
        with suppress(OSError):  # where the look failed too, that was told
            last = self._last_run(name)
            RECONCILE_LAST.labels(name).set(last.began / 1000 if last else 0)
            RECONCILE_LAST_COMPLETE.labels(name).set(last.complete / 1000 if last else 0)
            RECONCILE_MISSING.labels(name).set(len(last.missing) if last else 0)

    def _is_due(self, name: str, site: SiteSettings) -> bool:
        now = _now()
        last = self._last_run(name)
        soon = last is None or (last.unfinished and not self._interrupted(name)[1])
        whole = None if last is None or soon else datetime.fromtimestamp(last.began / 1000, UTC)
        zone = ZoneInfo(self._settings.reconcile.daily_timezone or site.timezone)
        if not is_due(now, whole, self._settings.reconcile.daily_at, zone):
            # `rollcall reconcile` may have done meanwhile what failed here.
            self._failed.pop(name, None)
            return False
        return name not in self._failed or now >= self._failed[name][0] + _AFTER_A_FAILURE

    def _last_run(self, name: str) -> LastRun | None:
        """Return the site's last whole run; without a folder to remember in, the last one of this process."""
        folder = state_folder(self._settings)
        return read_last_run(folder, name) if folder else self._last.get(name)

    def _interrupted(self, name: str) -> tuple[bool, str | None]:
        """Return whether there is an interrupted run, and why a new one is to take its place, if it is."""
        folder = state_folder(self._settings)
        if folder is None:
            return False, None
        try:
            left = read_checkpoint(folder / f"{name}.json")
        except CheckpointError as error:
            return True, str(error)
        return left is not None, why_new(left, now_ms()) if left else None

    async def _reconcile(self, name: str) -> None:
        interrupted, why = self._interrupted(name)
        if why:
            log.warning("the interrupted reconcile run gives way to a new one", site=name, cause=why)
            interrupted = False
        self._running = NoticeProgress(name)
        log.info("reconcile run begins", site=name, resumed=interrupted)
        try:
            sink = sink_beside_consumers(self._runtime, self._rebuild)
            options = RunOptions(resume=interrupted)
            outcome = await run_site(self._settings, name, options, sink, self._limits, self._running)
        finally:
            self._running = None
        self._remember(name, outcome)
        log.info(
            "reconcile run done",
            site=name,
            complete=outcome.complete,
            missing=outcome.run.missing,
            notes=outcome.run.notes,
        )

    async def _look_back(self, name: str) -> None:
        """Read a site a span further back than each run does, if that is still to be done."""
        span = lookback(self._settings, name)
        if span is None:
            self._stuck.pop(name, None)
            return
        interrupted, why = self._interrupted(name)
        self._running = NoticeProgress(name)
        log.info("days before those of each run are read", site=name, since=f"{span.since:%F}")
        try:
            sink = sink_beside_consumers(self._runtime, self._rebuild)
            options = RunOptions(window=span, parts=LOOKBACK_PARTS, resume=interrupted and not why)
            outcome = await run_site(self._settings, name, options, sink, self._limits, self._running)
        except Exception as error:  # of ours or of a library's, as above
            why = str(error) if isinstance(error, RollcallError) else kind_and_place(error)
            self._stuck[name] = (_now() + _AFTER_A_FAILURE, why)
            log.error("the days before those of each run could not be read", site=name, cause=why)
            return
        finally:
            self._running = None
        if lookback(self._settings, name) == span:
            pause = _AFTER_A_FAILURE if outcome.run.unfinished else _AFTER_A_SPAN
            why = "; ".join(outcome.run.missing)
            self._stuck[name] = (_now() + pause, why)
            log.error("the days before those of each run could not be read", site=name, cause=why)
            return
        self._stuck.pop(name, None)
        log.info("days before those of each run are in", site=name, missing=outcome.run.missing)

    def _remember(self, name: str, outcome: RunOutcome) -> None:
        self._failed.pop(name, None)
        self._hidden[name] = [note for note in outcome.run.notes if HIDDEN in note]
        if last := last_run_of(outcome.run, self._last.get(name)):
            self._last[name] = last
        _tell_outcome(name, outcome)
        if outcome.run.unfinished:
            self._failed[name] = (_now(), "; ".join(outcome.run.missing))


def _tell_outcome(name: str, outcome: RunOutcome) -> None:
    """Set the metrics of what a run came to."""
    found, stats = outcome.run.found, outcome.run.stats
    counts = {"found": found.facts.total(), "new": found.new.total(), "repaired": found.named + found.retimed}
    for kind, count in counts.items():
        RECONCILE_FACTS.labels(name, kind).set(count)
    RECONCILE_REQUESTS.labels(name).set(stats.requests.total())
    RECONCILE_WAIT_SECONDS.labels(name).set(sum(stats.wait_seconds.values()))
    share = outcome.coverage.share if outcome.coverage else None
    if share is not None:
        COVERAGE_RATIO.labels(name).set(share)
    else:
        COVERAGE_RATIO.remove(name)
