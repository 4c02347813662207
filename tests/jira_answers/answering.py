"""A simulated site with one fault, read by Rollcall, and what of its truth did not come."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from reconcile.run import RunOptions
from reconcile.state.checkpoint import Checkpoint
from reconcile.state.window import Window
from rollcall.records import Activity
from simulator.life.truth import Truth
from simulator.rest.faults import Broken

from ..reconcile.backfilling import appended, reconcile
from ..reconcile.oracle import known_to_rest
from ..reconcile.site import JiraSite, config, jira_site, settings_for

V3 = "/rest/api/3"
SEARCH, IDS = f"POST {V3}/search/jql", f"POST {V3}/search/jql (ids only)"
CHANGELOGS = f"POST {V3}/changelog/bulkfetch"
COMMENTS = f"GET {V3}/issue/{{issue}}/comment"
WORKLOGS, UPDATED, DELETED = (f"POST {V3}/worklog/list", f"GET {V3}/worklog/updated", f"GET {V3}/worklog/deleted")
MYSELF, SERVER_INFO, COUNT = f"GET {V3}/myself", f"GET {V3}/serverInfo", f"POST {V3}/search/approximate-count"

SITE = config(people=6, acts_per_day=4.0, days=33, crowd=300, hard_cases=False)


def broken(endpoint: str, status: int = 500, ids: tuple[int, ...] = (), above: int = 0) -> dict[str, Any]:
    """The fault of an endpoint that fails for good; worklogs are asked for, and an issue's comments beyond one."""
    faults = [Broken(endpoint=endpoint, status=status, ids=list(ids), above=above)]
    return {"broken": faults, "embedded_comments": 1, "embedded_worklogs": 0}


@dataclass(frozen=True)
class Came:
    """What a run came to.

    Attributes:
        run: The run.
        lost: The truth that is not on the log, by key.
        wanted: All of the truth that REST knows in the window.
        found: What is on the log.
    """

    run: Checkpoint
    lost: Mapping[str, Truth]
    wanted: Mapping[str, Truth]
    found: Mapping[str, Activity]

    @property
    def code(self) -> int:
        """The exit code that it stands for."""
        return 3 if self.run.missing else 0

    @property
    def words(self) -> str:
        return "; ".join(self.run.missing)

    def assert_days(self) -> None:
        """Every person's days are there but for those of which every fact was lost; and none is invented."""
        came = {key: one for key, one in self.found.items() if one.account_id}
        # A deletion that only the feed tells has no name: then its changelog entry is what was lost.
        kept = {key: one for key, one in self.wanted.items() if key not in self.lost and key in came}
        wanted = {(_day(one.rest_at or 0), one.rest_actor) for one in kept.values() if one.rest_actor}
        assert wanted <= {(_day(one.occurred_at), one.account_id) for one in came.values()}
        # The feed of deleted worklogs outlives its issues: such deletions did happen, and nobody is credited.
        assert {key for key, one in self.found.items() if one.account_id} <= self.wanted.keys()


def _day(at: int) -> date:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(ZoneInfo("Europe/Berlin")).date()


async def read(jira: JiraSite, folder: Path, **options: Any) -> Came:
    """Read the activity of the site, and compare."""
    settings = settings_for(jira.url, folder)
    run = await reconcile(settings, RunOptions(parts=("activity",)), **options)
    wanted, found = known_to_rest(jira.site, run.window), (await appended(settings)).facts
    return Came(run, {key: one for key, one in wanted.items() if key not in found}, wanted, found)


async def read_broken(folder: Path, endpoint: str, status: int, *, above: int = 0) -> Came:
    """Read a site of which an endpoint fails for good, or does where more is requested at once than this."""
    async with jira_site(SITE) as jira:
        jira.faults(**broken(endpoint, status, above=above))
        return await read(jira, folder)


async def read_without(folder: Path, endpoint: str, status: int, which: Callable[[JiraSite], int]) -> tuple[Came, int]:
    """Read a site of which an endpoint fails for good for one thing; return what came, and the thing."""
    async with jira_site(SITE) as jira:
        one = which(jira)
        jira.faults(**broken(endpoint, status, (one,)))
        return await read(jira, folder), one


def most_commented(jira: JiraSite) -> int:
    """The issue with the most comments in the last days."""
    return busiest(jira, "comment")


def busiest(jira: JiraSite, family: str) -> int:
    """The issue with the most facts of a family in the last days."""
    found: dict[int, int] = {}
    for one in _lately(jira).values():
        if one.family == family and one.action == "created" and not one.event_key.startswith("issue"):
            found[one.issue_id] = found.get(one.issue_id, 0) + 1
    return max(found, key=lambda issue: found[issue])


def born_lately(jira: JiraSite) -> int:
    """An issue that was created in the last days."""
    return next(one.issue_id for key, one in _lately(jira).items() if key.startswith("issue:"))


def a_worklog(jira: JiraSite) -> int:
    """A worklog that was added in the last days."""
    return next(int(key.split(":")[1]) for key in _lately(jira) if key.startswith("worklog:") and "created" in key)


def _lately(jira: JiraSite) -> dict[str, Truth]:
    now = jira.site.clock.now()
    return known_to_rest(jira.site, Window(now - 20 * 86_400_000, now - 86_400_000))
