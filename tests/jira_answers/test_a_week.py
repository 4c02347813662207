"""`up` through a week on the simulator's clock, with one fault after the other: the days after it are read.

The schedule decides itself when a run is due, by the site's clock. Each gap is named on its day, and mends itself when
the fault ends.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from reconcile import run, schedule
from reconcile.client.jira_client import connected
from reconcile.run import RunOutcome
from reconcile.state import watermark
from reconcile.state.window import Window
from simulator.clock import SiteClock
from simulator.life.truth import Truth
from simulator.rest.site import Site

from ..reconcile.installed import Installed, installed
from ..reconcile.oracle import known_to_rest
from ..reconcile.site import NOW, config, hurried, settings_for
from .faults import Case
from .in_process import URL, Fault, Proxy
from .ways import WAYS

pytestmark = pytest.mark.anyio

DAY = 86_400_000
HOUR = DAY // 24
DAYS = 7
SITE = config(people=6, acts_per_day=3.0, days=40, crowd=0, hard_cases=False, caller_zone="Europe/Berlin")
BY_NAME = {case.name: case for case in WAYS}

Day = tuple[str, str]
"""A day in the site's reporting zone, and who was active."""


class Noted(schedule.Schedule):
    """The schedule, and what its runs came to."""

    def _remember(self, name: str, outcome: RunOutcome) -> None:
        self.outcome = outcome
        super()._remember(name, outcome)


@dataclass
class Week:
    """The site, the console, and who asks when."""

    site: Site
    proxy: Proxy
    rollcall: Installed
    runs: Noted
    ran: list[RunOutcome] = field(default_factory=list)
    altered: int = 0

    def _noted(self, fault: Fault) -> Fault:
        """The fault, and how many answers it altered."""

        def change(request: httpx.Request, given: httpx.Response) -> httpx.Response | Exception:
            changed = fault(request, given)
            if isinstance(changed, Exception):
                self.altered += 1
            else:
                same = (changed.status_code, changed.content) == (given.status_code, given.content)
                self.altered += not same or changed.headers.items() != given.headers.items()
            return changed

        return change

    async def day(self, case: Case | None) -> RunOutcome:
        """Let a day pass with one fault all day long, and return its last run."""
        self.proxy.fault = self._noted(case.fault()) if case else None
        self.altered = 0
        self.proxy.asked.clear()
        settings, before = self.rollcall.runtime.settings, len(self.ran)
        for _ in range(0, 24, 6):
            self.site.clock.advance(6 * HOUR)
            self.runs.outcome = None  # type: ignore[assignment]  # none yet
            await self.runs._run_if_due("acme", settings.sites["acme"])
            if self.runs.outcome:
                self.ran.append(self.runs.outcome)
        assert len(self.ran) > before, self.runs.notices()
        return self.ran[-1]

    async def known(self) -> set[Day]:
        rows = await self.rollcall.query("SELECT toString(day) AS day, account_id FROM user_days")
        return {(row["day"], row["account_id"]) for row in rows}

    def facts(self, since: int, until: int) -> dict[str, Truth]:
        return known_to_rest(self.site, Window(since, until))


def days_of(facts: dict[str, Truth]) -> set[Day]:
    zone = ZoneInfo("Europe/Berlin")
    return {
        (f"{datetime.fromtimestamp((one.rest_at or 0) / 1000, UTC).astimezone(zone):%Y-%m-%d}", one.rest_actor)
        for one in facts.values()
        if one.rest_actor
    }


@asynccontextmanager
async def a_week(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Week]:
    site = Site(SITE, SiteClock(NOW - (DAYS + 1) * DAY))
    # So little comes with a search that everything else is asked for by its own endpoint.
    site.faults.embedded_comments, site.faults.embedded_worklogs, site.faults.embedded_histories = 2, 0, 0
    proxy = Proxy(site, None)
    for module in (run, schedule, watermark):
        monkeypatch.setattr(module, "now_ms", site.clock.now)
    monkeypatch.setattr(run, "connected", partial(connected, transport=proxy))
    async with installed(settings_for(URL, folder)) as rollcall:
        monkeypatch.setattr(schedule, "sink_beside_consumers", lambda *_: rollcall.found)
        limits = replace(hurried(4), pace=0.0)
        yield Week(site, proxy, rollcall, Noted(rollcall.runtime, limits))  # type: ignore[arg-type]  # its sink is replaced


async def through(week: Week, cases: list[Case | None]) -> None:
    """Live through the days, each with its fault, and compare after each."""
    for case in cases:
        outcome = await week.day(case)
        # From what the first run read on; the window ends a little before the run, and what follows is the next day's.
        facts, known = week.facts(week.ran[0].run.window.since, outcome.run.window.until), await week.known()
        safe = {key: one for key, one in facts.items() if case is None or one.family not in case.loses}
        assert days_of(safe) <= known
        assert known <= days_of(week.facts(0, week.site.clock.now()))
        said = "; ".join(outcome.run.missing)
        if case is None or case.code == 0 or not week.altered:
            assert not said
        else:
            assert re.search(case.words, said), said


IN_TURN = ["402", "451", "a worklog that a change names and nothing gives", "423", "no group of administrators"]


async def test_each_day_another_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_week(tmp_path, monkeypatch) as week:
        await through(week, [None, *(BY_NAME[name] for name in IN_TURN), None])


@pytest.mark.soak
@pytest.mark.parametrize("case", [case for case in WAYS if case.code == 3], ids=lambda case: case.name)
async def test_one_fault_for_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    async with a_week(tmp_path, monkeypatch) as week:
        await through(week, [None, *[case] * (DAYS - 2), None])
