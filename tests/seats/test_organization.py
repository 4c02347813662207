"""Who looked, of which type projects are, and through which groups people hold what: as the site's truth has it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconcile.client.jira_client import connected
from reconcile.directory.exemptions import lost_names
from reconcile.run import RunOptions
from reconcile.state.checkpoint import Checkpoint
from rollcall.records import Added, Grant, License, Looked, Project, Role, SnapshotComplete
from rollcall.settings import Settings
from simulator.company.looks import added_at, is_missing, shown_at
from simulator.company.person import Person
from simulator.rest.faults import Broken
from simulator.rest.site import ORGANIZATION, ORGANIZATION_KEY

from ..reconcile.backfilling import Appended, appended, reconcile
from ..reconcile.site import JiraSite, config, hurried, jira_site, settings_for

pytestmark = pytest.mark.anyio

COMPANY = config(people=240, acts_per_day=0.2, hard_cases=False, org_missing_share=0.05)
PEOPLE = RunOptions(parts=("directory",))
SEARCH = "POST /admin/v2/orgs/{org}/directories/-/users/search"
ASKED = "POST /admin/v2/orgs/{orgId}/directories/-/users/search"
ENTRIES = {"jira-core": ("jira-core", "jira-software")}


def asking(url: str, folder: Path, key: str = ORGANIZATION_KEY, **more: Any) -> Settings:
    named = {"id": ORGANIZATION, "api_key": key, "url": url}
    return settings_for(url, folder, organization=named, reconcile={"project_roles": False}, **more)


def rows(found: Appended, kind: type) -> list[Any]:
    return [row for row in found.rows if isinstance(row, kind)]


def shown(jira: JiraSite, person: Person, product: str) -> int | None:
    """What the organization says of a product, of all types that count for it."""
    now = jira.site.clock.now()
    held = jira.site.directory.held(person, now)
    types = [one for one in ENTRIES.get(product, (product,)) if one in held]
    return max((at for one in types if (at := shown_at(jira.site.config, person, one, now)) is not None), default=None)


def named(jira: JiraSite) -> dict[str, Person]:
    """The people whom the organization names, by their accounts."""
    people = [one for one in jira.site.directory.listed() if one.account_type == "atlassian"]
    return {one.account_id: one for one in people if not is_missing(jira.site.config, one)}


def wanted(jira: JiraSite, found: Appended, people: dict[str, Person]) -> dict[tuple[str, str], int | None]:
    """What is to be known of each who holds a product."""
    held = [(row.product, row.account_id) for row in rows(found, License)]
    return {(product, who): shown(jira, people[who], product) for product, who in held if who in people}


def looks(found: Appended) -> dict[tuple[str, str], int | None]:
    """What is known, of those who hold a product."""
    held = {(row.product, row.account_id) for row in rows(found, License)}
    known = {(row.product, row.account_id): row.looked_at for row in rows(found, Looked)}
    return {pair: at for pair, at in known.items() if pair in held}


def told(run: Checkpoint) -> str:
    return " | ".join(run.missing)


async def test_looks_types_and_grants_equal_the_truth(tmp_path: Path) -> None:
    async with jira_site(COMPANY) as jira:
        archived = [jira.site.projects[1].key]
        jira.faults(archived=archived)
        settings = asking(jira.url, tmp_path)
        run = await reconcile(settings, PEOPLE)
        found = await appended(settings)
        people, config_ = named(jira), jira.site.config

        truth = wanted(jira, found, people)
        assert looks(found) == truth
        # The company has each kind: readers and workers, those who never came, and those who are not named at all.
        assert {at is None for at in truth.values()} == {True, False}
        assert len({row.account_id for row in rows(found, License)} - people.keys()) > 3
        assert run.missing == []
        assert any("does not name" in note for note in run.notes)

        added = {row.account_id: row.added_to_org for row in rows(found, Added)}
        assert {who for _, who in truth} <= added.keys()
        assert added == {who: added_at(config_, people[who]) for who in added}

        types = {row.project_key: row.type for row in rows(found, Project)}
        assert types == {one.key: one.type for one in jira.site.projects}
        assert archived[0] in types

        grants = {(row.product, row.account_id, row.group) for row in rows(found, Grant)}
        assert grants == granted(jira, found)
        several = [pair for pair in truth if sum(grant[:2] == pair for grant in grants) > 1]
        assert len(several) > 3

        [last] = rows(found, SnapshotComplete)
        assert last.reads_as == jira.site.directory.people[0].account_id
        assert last.lacks == []
        assert run.stats.requests[ASKED] == -(-len(people) // 100)


def granted(jira: JiraSite, found: Appended) -> set[tuple[str, str, str]]:
    held = {(row.product, row.account_id) for row in rows(found, License)}
    people = jira.site.directory.people
    return {
        (product, people[index].account_id, group.name)
        for group in jira.site.directory.groups.values()
        for product in group.products
        for index in group.members
        if (product, people[index].account_id) in held
    }


async def test_without_an_organization_nobody_asks_it(tmp_path: Path) -> None:
    async with jira_site(COMPANY) as jira:
        settings = settings_for(jira.url, tmp_path, reconcile={"project_roles": False})
        run = await reconcile(settings, PEOPLE)
        found = await appended(settings)
        assert (rows(found, Looked), rows(found, Added)) == ([], [])
        assert not [name for name in run.stats.requests if "orgs" in name]
        assert run.missing == []


async def test_a_page_that_fails_is_asked_again_in_smaller_ones(tmp_path: Path) -> None:
    async with jira_site(COMPANY, broken=[Broken(endpoint=SEARCH, status=500, above=30)]) as jira:
        settings = asking(jira.url, tmp_path)
        run = await reconcile(settings, PEOPLE)
        found = await appended(settings)
        assert run.missing == []
        assert looks(found) == wanted(jira, found, named(jira))


async def test_whom_a_failing_page_holds_and_all_behind_are_not_known(tmp_path: Path) -> None:
    async with jira_site(COMPANY) as jira:
        order = [one for one in jira.site.directory.listed() if one.account_id in named(jira)]
        poison = order[130]
        jira.faults(broken=[Broken(endpoint=SEARCH, status=500, ids=[poison.index])])
        settings = asking(jira.url, tmp_path)
        run = await reconcile(settings, PEOPLE)
        found = await appended(settings)

        read = {one.account_id: one for one in order[:130]}
        assert looks(found) == wanted(jira, found, read)
        holders = {row.account_id for row in rows(found, License)}
        assert f"not known of {len(holders - read.keys())} of {len(holders)} people who hold a license" in told(run)
        # Each part lands alone.
        [last] = rows(found, SnapshotComplete)
        assert last.lacks == ["looked"]
        assert rows(found, Project)
        assert rows(found, Grant)


async def test_a_refused_key_costs_nothing_else_and_is_named_not_quoted(tmp_path: Path) -> None:
    async with jira_site(COMPANY) as jira:
        settings = asking(jira.url, tmp_path, key="some-old-key")
        run = await reconcile(settings, PEOPLE)
        found = await appended(settings)
        assert rows(found, Looked) == []
        assert rows(found, License)
        assert "check [organization] id and api_key_file" in told(run)
        assert "some-old-key" not in told(run)
        holders = {row.account_id for row in rows(found, License)}
        assert f"not known of {len(holders)} of {len(holders)} people" in told(run)
        assert run.stats.requests[ASKED] == 1


async def test_a_limit_of_requests_is_waited_for(tmp_path: Path) -> None:
    async with jira_site(COMPANY, forced={SEARCH: [429, 200, 429, 429]}) as jira:
        settings = asking(jira.url, tmp_path)
        run = await reconcile(settings, PEOPLE)
        assert run.missing == []
        assert looks(await appended(settings)) == wanted(jira, await appended(settings), named(jira))


async def test_projects_that_cannot_be_listed_cost_their_types_alone(tmp_path: Path) -> None:
    async with jira_site(COMPANY, broken=[Broken(endpoint="GET /rest/api/3/project/search", status=403)]) as jira:
        settings = asking(jira.url, tmp_path)
        run = await reconcile(settings, PEOPLE)
        found = await appended(settings)
        assert rows(found, Project) == []
        assert rows(found, Looked)
        assert rows(found, License)
        assert "of which type each project is" in told(run)
        assert "project types" in rows(found, SnapshotComplete)[0].lacks


async def test_times_are_cut_to_milliseconds(tmp_path: Path) -> None:
    """The simulator's fractions would go up a millisecond when rounded."""
    async with jira_site(COMPANY) as jira:
        settings = asking(jira.url, tmp_path)
        await reconcile(settings, PEOPLE)
        found = await appended(settings)
        people = named(jira)
        seen = [row for row in rows(found, Looked) if row.looked_at and row.account_id in people]
        assert seen
        for row in seen[:50]:
            assert row.looked_at == shown(jira, people[row.account_id], row.product)
            assert datetime.fromtimestamp(row.looked_at / 1000, UTC).year >= 2025


async def test_members_of_exempt_groups_are_read_and_what_the_site_lacks_is_named(tmp_path: Path) -> None:
    """Also a group that grants nothing; run and check say the same of the names."""
    async with jira_site(COMPANY) as jira:
        known = jira.site.directory.people[3].account_id
        given = {
            "exempt": [
                {"group": "everybody", "reason": "all of us"},
                {"group": "nobodies", "reason": "a slip"},
                {"account_id": known, "reason": "here"},
                {"account_id": "5b10a2844c20165700ede21g", "reason": "gone"},
            ],
            "products": {"jira-sofware": {"idle_days": 5}, "jira-core": {"idle_days": 5}},
        }
        settings = settings_for(jira.url, tmp_path, seats=given, reconcile={"project_roles": False})
        run = await reconcile(settings, PEOPLE)
        found = await appended(settings)

        directory, now = jira.site.directory, jira.site.clock.now()
        everybody = next(group for group in directory.groups.values() if group.name == "everybody")
        members = {one.account_id for one in directory.members(everybody, now, inactive=False)}
        assert {row.account_id for row in rows(found, Role) if row.role == "everybody"} == members
        assert run.missing == []
        async with connected("acme", settings.sites["acme"], settings.reconcile, hurried()) as client:
            checked = await lost_names(client, settings.seats, "acme")
        named = [note for note in run.notes if note.startswith("seats.")]
        assert named == checked
        lost = ("jira-sofware", "nobodies", "5b10a2844c20165700ede21g")
        assert [name for note, name in zip(named, lost, strict=True) if name not in note] == []
