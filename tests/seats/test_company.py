"""Verdicts of a simulated company equal the truth: with an organization key, without one, with a page that fails.

The truth is reckoned here, in Python, from who the company's people are, what they did and when they looked; the
view is SQL over what a run put on the log. So the two have no line in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from consumers.writers import ActivityWriter
from reconcile.run import RunOptions
from rollcall.records import Activity
from rollcall.settings import Settings
from rollcall.warehouse import Warehouse, record_seat_settings, record_sites
from simulator.company.directory import PRODUCTS
from simulator.company.looks import added_at, is_missing
from simulator.company.person import CALLER
from simulator.company.project import projects
from simulator.rest.faults import Broken

from ..facts import entries
from ..reconcile.backfilling import Appended, appended, reconcile
from ..reconcile.site import NOW, JiraSite, config, jira_site, settings_for
from ..warehouse.engines import warehouse, warehouse_url
from .test_organization import SEARCH, asking, shown
from .warehouse import CORE, DESK, DISCOVERY, SOFTWARE, directory, seats, set_now

pytestmark = pytest.mark.anyio
__all__ = ["warehouse", "warehouse_url"]

COMPANY = config(people=300, acts_per_day=0.8, hard_cases=False, org_missing_share=0.04, days=30)
IDLE, NEW = 20, 12
ZONE = ZoneInfo("Europe/Berlin")
TEAM = f"team-{projects(COMPANY)[0].key.lower()}"
GIVEN = {
    "idle_days": IDLE,
    "new_days": NEW,
    "exempt": [
        {"group": TEAM, "reason": "seasonal", "until": "2026-11-18"},
        {"group": "owners", "reason": "ended", "until": "2026-11-17"},
    ],
}
COUNTS = {
    "software": {SOFTWARE},
    "service_desk": {DESK},
    "product_discovery": {DISCOVERY},
    "business": {CORE, SOFTWARE},
}


@dataclass
class Company:
    """What is true of the company, as far as a run can know it."""

    jira: JiraSite
    known: set[str]
    """Accounts of which the run was told whether they looked."""
    facts: Sequence[Activity]

    @property
    def today(self) -> date:
        return day(NOW)

    def truth(self) -> dict[tuple[str, str], str]:
        """The verdict of each seat."""
        place, now = self.jira.site.directory, self.jira.site.clock.now()
        holders = {product: {one.index for one in place.holders(product, now)} for product in PRODUCTS}
        holders[CORE] -= set().union(*(some for product, some in holders.items() if product != CORE))
        people = {index for some in holders.values() for index in some}
        held = {index: {product for product in PRODUCTS if index in holders[product]} for index in people}
        acts = self.acts()
        return {
            (place.people[index].account_id, product): self.verdict(index, product, held[index], acts)
            for index, some in held.items()
            for product in some
        }

    def acts(self) -> dict[str, list[tuple[str, date]]]:
        types = {one.key: one.type for one in self.jira.site.projects}
        of_issue = {one.issue_id: one.project_key for one in self.facts if one.project_key}
        found: dict[str, list[tuple[str, date]]] = {}
        for one in self.facts:
            kind = types.get(one.project_key or of_issue.get(one.issue_id, ""), "")
            found.setdefault(one.account_id, []).append((kind, day(one.occurred_at)))
        return found

    def verdict(self, index: int, product: str, held: set[str], acts: dict[str, list[tuple[str, date]]]) -> str:
        place = self.jira.site.directory
        person = place.people[index]
        first = self.today - timedelta(days=IDLE - 1)
        mine = [on for kind, on in acts.get(person.account_id, []) if product in counted(kind, held)]
        if any(on >= first for on in mine):
            return "active"
        known = person.account_id in self.known
        looked = shown(self.jira, person, product) if known else None
        if looked is not None and day(looked) >= first:
            return "reader"
        if index == CALLER or any(group.name == TEAM and index in group.members for group in place.groups.values()):
            return "exempt"
        if known and (self.today - day(added_at(self.jira.site.config, person))).days < NEW:
            return "new"
        if not known:
            return "unseen"
        return "never" if looked is None and not mine else "idle"


def counted(kind: str, held: set[str]) -> set[str]:
    """The products that an act in such a project counts for."""
    counts = COUNTS.get(kind, held)
    return held if kind == "business" and not counts & held else counts


def day(at: int) -> date:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(ZONE).date()


async def put(warehouse: Warehouse, settings: Settings, found: Appended) -> None:
    await set_now(warehouse, f"{datetime.fromtimestamp(NOW / 1000, UTC):%Y-%m-%d %H:%M:%S}")
    await record_sites(warehouse, settings.sites)
    await record_seat_settings(warehouse, settings.sites, settings.seats)
    assert await ActivityWriter(warehouse, settings.sites).write(entries(found.facts.values())) == []
    await directory(warehouse, found.rows)


@pytest.mark.parametrize("asked", ["with a key", "without", "a page fails"])
async def test_verdicts_equal_the_truth(warehouse: Warehouse, tmp_path: Path, asked: str) -> None:
    async with jira_site(COMPANY) as jira:
        order = [one for one in jira.site.directory.listed() if one.account_type == "atlassian"]
        named = [one for one in order if not is_missing(COMPANY, one)]
        if asked == "without":
            settings = settings_for(jira.url, tmp_path, seats=GIVEN, reconcile={"project_roles": False})
            named = []
        else:
            settings = asking(jira.url, tmp_path, seats=GIVEN)
        if asked == "a page fails":
            jira.faults(broken=[Broken(endpoint=SEARCH, status=503, ids=[named[160].index])])
            named = named[:160]
        await reconcile(settings, RunOptions())
        found = await appended(settings)
        await put(warehouse, settings, found)

        company = Company(jira, {one.account_id for one in named}, list(found.facts.values()))
        truth = company.truth()
        rows = await seats(warehouse)
        wrong = {
            pair: (truth.get(pair), row["verdict"], row["why"])
            for pair, row in rows.items()
            if truth.get(pair) != row["verdict"]
        }
        assert wrong == {}
        assert rows.keys() == truth.keys()
        kinds = set(truth.values())
        assert kinds == (
            {"active", "exempt", "unseen"} if asked == "without" else set(kinds) | {"reader", "never", "idle"}
        )
