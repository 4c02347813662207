"""The reconcile runs that `up` does by itself: the first 30 days at the first start, then once a day."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from console.maintenance import rebuild_site
from console.page.page import Notice
from console.reconciling.asked import Asked
from console.reconciling.due import is_due
from console.reconciling.landing import Landing, by_others
from console.reconciling.one_site import Outcome, reconcile_one
from console.running import told_to_end
from reconcile.client.jira import Limits
from reconcile.known import WarehouseFacts
from reconcile.progress import LoggedProgress
from reconcile.resume.last_run import LastRun, last_run_of, read_last_run
from reconcile.resume.memory import state_folder
from reconcile.window import Wanted
from rollcall.errors import RollcallError
from rollcall.eventlog import EventLog
from rollcall.logs import kind_and_place, logger
from rollcall.settings import Settings, SiteSettings
from rollcall.warehouse import Warehouse

log = logger(__name__)

_LOOK_SECONDS = 30.0
_AFTER_A_FAILURE = timedelta(hours=1)


class _Noted(LoggedProgress):
    """Progress that the page shows."""

    def __init__(self, site: str) -> None:
        super().__init__(site)
        self._name = site
        self.notice = Notice(f"Reading the last days of {site} from Jira")

    def at(self, step: str, done: int, expected: int | None = None) -> None:
        share = min(1.0, done / expected) if expected else None
        self.notice = Notice(f"Reading {self._name} from Jira: {step}, {done} so far", share)


class DailyRuns:
    """Looks whether a site's run is due, and does it.

    Args:
        settings: The settings.
        event_log: Where what Jira tells is put.
        warehouse: What the consumers of this process write; open.
        limits: In place of those in the settings; for tests.
    """

    def __init__(
        self, settings: Settings, event_log: EventLog, warehouse: Warehouse, limits: Limits | None = None
    ) -> None:
        self._settings = settings
        self._log = event_log
        self._warehouse = warehouse
        self._limits = limits
        self._sites = {
            name: site for name, site in settings.sites.items() if site.email and (site.api_token_file or site.token())
        }
        self._running: _Noted | None = None
        self._failed: dict[str, tuple[datetime, str]] = {}
        self._last: dict[str, LastRun] = {}

    def notices(self) -> Sequence[Notice]:
        """Return what is under way and what went wrong, for the page."""
        told = [self._running.notice] if self._running else []
        return told + [
            Notice(f"{site} could not be read whole from Jira, the next try is within the hour: {why}")
            for site, (_, why) in self._failed.items()
        ]

    def state(self) -> str:
        """Return in a few words how the runs go, fit for everybody: no site's name, nothing that Jira said."""
        if not self._settings.reconcile.daily_at:
            return "off"
        if not self._failed:
            return "ok"
        sites = f"{len(self._failed)} of {len(self._sites)} sites"
        return f"failed for {sites}, tried again within the hour; the page and the log say why"

    async def run(self) -> None:
        """Do the runs as they fall due, for ever; a failure of whatever kind is told and tried again an hour later.

        What Jira refuses the account is no failure: another try would be refused too, so it waits for the next day's.
        """
        for name in self._settings.sites.keys() - self._sites.keys():
            log.info("not read from Jira: it has no email and API token in the settings", site=name)
        while True:
            if self._settings.reconcile.daily_at:
                for name, site in self._sites.items():
                    await self._look(name, site)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self, name: str, site: SiteSettings) -> None:
        try:
            if self._is_due(name, site):
                await self._reconcile(name)
        except RollcallError as error:
            self._note(name, str(error))
        except asyncio.CancelledError as error:
            if told_to_end():
                raise
            self._note(name, f"unexpectedly, please report it: {kind_and_place(error)}")
        except Exception as error:  # of ours or of a library's: the next try may fare better
            self._note(name, f"unexpectedly, please report it: {kind_and_place(error)}")

    def _note(self, name: str, why: str) -> None:
        now = datetime.now(UTC)
        if name in self._failed and now < self._failed[name][0] + _AFTER_A_FAILURE:
            return  # it was the look itself, which comes every half minute, and that was told
        log.error("reconcile run failed", site=name, cause=why)
        self._failed[name] = (now, why)

    def _is_due(self, name: str, site: SiteSettings) -> bool:
        now = datetime.now(UTC)
        last = self._last_run(name)
        whole = None if last is None or last.unfinished else datetime.fromtimestamp(last.began / 1000, UTC)
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

    async def _reconcile(self, name: str) -> None:
        folder = state_folder(self._settings)
        interrupted = folder is not None and (folder / f"{name}.json").exists()
        asked = Asked(Wanted(), resume=interrupted)
        self._running = _Noted(name)
        log.info("reconcile run begins", site=name, resumed=interrupted)
        try:
            outcome = await reconcile_one(
                self._settings, name, asked, self._log, self._landing(), self._limits, self._running
            )
        finally:
            self._running = None
        self._remember(name, outcome)
        log.info("reconcile run done", site=name, complete=outcome.complete, missing=outcome.run.missing)

    def _remember(self, name: str, outcome: Outcome) -> None:
        self._failed.pop(name, None)
        if last := last_run_of(outcome.run):
            self._last[name] = last
        if outcome.run.unfinished:
            self._failed[name] = (datetime.now(UTC), "; ".join(outcome.run.missing))

    def _landing(self) -> Landing:
        async def rebuild(site: str, days: Sequence[date]) -> object:
            return await rebuild_site(self._warehouse, self._settings, site, days)

        write = by_others(self._settings, self._log)
        return Landing(self._warehouse, WarehouseFacts(self._warehouse), write, rebuild)
