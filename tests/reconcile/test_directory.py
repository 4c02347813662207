"""The directory equals the site's truth; a snapshot is seen whole or not at all."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from reconcile.client.jira_errors import JiraRefusedError
from reconcile.directory.grants import Groups
from reconcile.directory.projects import NOT_ALLOWED
from reconcile.publisher import KnownDirectory, NoExistingFacts
from reconcile.run import RunOptions
from reconcile.state.window import WindowRequest
from rollcall.errors import LogUnavailableError, WarehouseUnavailableError
from rollcall.records import License, Role, Seats, SnapshotComplete, User
from simulator.company.directory import directory_truth

from ..failures import Failures
from .backfilling import Appended, appended, reconcile
from .installed import Installed, installed
from .scripted import Script, page, scripted
from .site import JiraSite, config, jira_site, settings_for

pytestmark = pytest.mark.anyio

SITE = config(people=60, acts_per_day=0.5, hard_cases=False)
PEOPLE = RunOptions(parts=("directory",))
ONLY = RunOptions(parts=("directory",))
DIRECTORY = ("users/search", "applicationrole", "group/bulk", "project/search")


def truth(jira: JiraSite, kind: str) -> list[dict[str, Any]]:
    return [row for row in directory_truth(jira.site.directory, jira.site.clock.now()) if row["kind"] == kind]


def rows(found: Appended, kind: type) -> list[Any]:
    return [row for row in found.rows if isinstance(row, kind)]


async def test_users_licenses_seats_and_roles_equal_the_truth(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        settings = settings_for(jira.url, tmp_path)
        run = await reconcile(settings, PEOPLE)
        found = await appended(settings)

        people = {row["account_id"]: row for row in truth(jira, "user")}
        users = {row.account_id: row for row in rows(found, User)}
        assert users.keys() == people.keys()
        for account, row in people.items():
            user = users[account]
            told = (user.display_name, user.email, user.account_type, user.active)
            assert told == (row["display_name"], row["email"], row["account_type"], row["active"])

        held: dict[str, set[str]] = {}
        for row in truth(jira, "license"):
            held.setdefault(row["product"], set()).add(row["account_id"])
        others = set().union(*(some for product, some in held.items() if product != "jira-core"))
        wanted = {(product, one) for product, some in held.items() if product != "jira-core" for one in some}
        wanted |= {("jira-core", one) for one in held["jira-core"] - others}
        assert {(row.product, row.account_id) for row in rows(found, License)} == wanted

        seats = {row.product: (row.total, row.used) for row in rows(found, Seats)}
        assert seats == {row["product"]: (row["total"], row["used"]) for row in truth(jira, "seats")}
        assert_roles(jira, users, rows(found, Role))

        last = found.rows[-1]
        assert isinstance(last, SnapshotComplete)
        assert rows(found, SnapshotComplete) == [last]
        told_counts = (last.users, last.licenses, last.roles, last.seats)
        assert told_counts == tuple(len(rows(found, kind)) for kind in (User, License, Role, Seats))
        assert {row.snapshot_id for row in found.rows} == {last.snapshot_id}
        # Each group was asked once, whatever named it.
        pages = sum(-(-max(1, active) // 50) for active in group_sizes(jira, users).values())
        assert run.stats.requests["GET /group/member"] <= pages


def group_sizes(jira: JiraSite, users: dict[str, Any]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for row in truth(jira, "group"):
        sizes[row["group"]] = sizes.get(row["group"], 0) + users[row["account_id"]].active
    return sizes


def assert_roles(jira: JiraSite, users: dict[str, Any], roles: list[Role]) -> None:
    found = {(row.account_id, row.role, row.scope) for row in roles}
    assert len(found) == len(roles)
    groups = [row for row in truth(jira, "group") if users[row["account_id"]].active]
    opening = {row["group"] for row in groups if row["access"] != "none"}
    wanted = {(row["account_id"], row["group"], "group") for row in groups if row["group"] in opening}
    wanted |= {(row["account_id"], "site-admin", "site admin") for row in groups if row["access"] == "site-admin"}
    for group in jira.site.directory.groups.values():
        for product in group.products:
            wanted |= {
                (row["account_id"], f"{product} {group.access}", "product access")
                for row in groups
                if row["group"] == group.name and group.access in ("admin", "user")
            }
    for row in truth(jira, "project_role"):
        if not row["via"] or users[row["account_id"]].active:
            wanted.add((row["account_id"], row["role"], row["project_key"]))
    assert found == wanted


async def test_who_is_not_active_holds_nothing_also_where_jira_lists_them() -> None:
    """Jira is asked for active members only; ``active`` has been seen as text (captures)."""
    flags = {"anna": True, "bert": False, "carl": "false"}
    values = [{"accountId": who, "accountType": "atlassian", "active": flag} for who, flag in flags.items()]
    async with scripted(Script([page({"values": values, "isLast": True})])) as jira:
        assert await Groups(jira, lambda: None, lambda _: None).members("7") == {"anna": True}


async def test_project_roles_can_be_left_out_and_large_groups_are_not_spread(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        without = await reconcile(settings_for(jira.url, tmp_path / "a", reconcile={"project_roles": False}), PEOPLE)
        assert not [name for name in without.stats.requests if "/role" in name]
        small = settings_for(jira.url, tmp_path / "b", reconcile={"project_role_group_limit": 20})
        run = await reconcile(small, PEOPLE)
        assert run.found.skipped["project roles of large groups (project_role_group_limit)"] > 0
        assert run.missing == []


async def test_without_a_permission_the_activity_is_still_read_and_what_is_missing_is_named(tmp_path: Path) -> None:
    async with jira_site(config(people=5, acts_per_day=1.0), permissions=["USER_PICKER", "BROWSE_PROJECTS"]) as jira:
        settings = settings_for(jira.url, tmp_path)
        run = await reconcile(settings)
        assert [what.partition(":")[0] for what in run.missing] == [
            f"the roles in {run.found.skipped[NOT_ALLOWED]} projects, which the account may not see",
            "licenses, seats and the roles that come with them",
        ]
        assert run.missing[1].endswith("; no earlier run has read it")
        assert not run.unfinished
        found = await appended(settings)
        assert found.facts
        assert {row.account_id for row in rows(found, User)} == {row["account_id"] for row in truth(jira, "user")}
        assert not rows(found, License) + rows(found, Seats)
        assert {row.scope for row in rows(found, Role)} == {"site admin", "group"}
        last = found.rows[-1]
        assert isinstance(last, SnapshotComplete)
        projects = [f"projects:{key}" for key in sorted({row["project_key"] for row in truth(jira, "project_role")})]
        assert sorted(last.lacks) == ["licenses", *projects, "roles:group", "roles:product access"]


async def test_without_browsing_users_there_is_no_snapshot(tmp_path: Path) -> None:
    async with jira_site(config(people=5, acts_per_day=1.0), permissions=["BROWSE_PROJECTS"]) as jira:
        settings = settings_for(jira.url, tmp_path)
        run = await reconcile(settings)
        assert [what.partition(":")[0] for what in run.missing] == ["users, licenses and roles"]
        found = await appended(settings)
        assert found.facts
        assert rows(found, SnapshotComplete) == []


async def test_licenses_that_may_not_be_read_any_more_are_not_reported_as_gone(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        jira.faults(permissions=["BROWSE_PROJECTS", "USER_PICKER", "ADMINISTER_PROJECTS"])
        outcome = await rollcall.reconcile(ONLY)
        assert [what.partition(":")[0] for what in outcome.run.missing] == [
            "licenses, seats and the roles that come with them"
        ]
        named = await views(rollcall)
        assert not named["assigned"]

        jira.faults()
        assert (await rollcall.reconcile(ONLY)).complete
        whole = await views(rollcall)
        assert whole["assigned"]
        assert whole["users"].keys() == named["users"].keys()

        jira.faults(permissions=["BROWSE_PROJECTS", "USER_PICKER", "ADMINISTER_PROJECTS"])
        outcome = await rollcall.reconcile(ONLY)
        assert [what.partition(":")[0] for what in outcome.run.missing] == [
            "licenses, seats and the roles that come with them"
        ]
        assert "; reports go on with what was read on " in outcome.run.missing[0]
        assert await views(rollcall) == whole


class Unreachable(NoExistingFacts):
    """A warehouse that went away."""

    async def directory(self, site: str) -> KnownDirectory:
        raise WarehouseUnavailableError(site)


async def test_nothing_is_taken_away_where_the_warehouse_cannot_say_what_there_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with jira_site(SITE) as jira:
        settings = settings_for(jira.url, tmp_path)
        directory = jira.site.directory
        holders = directory.holders
        # Jira counts twice as many as its groups have.
        monkeypatch.setattr(directory, "holders", lambda product, now: holders(product, now) * 2)
        run = await reconcile(settings, PEOPLE, existing=Unreachable())
        products = sorted({row["product"] for row in truth(jira, "seats")})
        assert sorted(what.partition(":")[0] for what in run.missing) == [f"the licenses of {one}" for one in products]
        found = await appended(settings)
        [last] = rows(found, SnapshotComplete)
        assert sorted(last.lacks) == [f"licenses:{one}" for one in products]
        assert not rows(found, License) + rows(found, Seats)


async def test_a_directory_out_of_reach_does_not_keep_the_activity_back_and_is_resumed(tmp_path: Path) -> None:
    small = config(people=5, acts_per_day=1.0, hard_cases=False)
    async with jira_site(small) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        jira.faults(forced={f"GET /rest/api/3/{name}": [503] * 200 for name in DIRECTORY})
        outcome = await rollcall.reconcile()
        assert (outcome.complete, len(outcome.run.missing)) == (False, 1)
        assert outcome.run.found.facts.total() > 0
        assert await rollcall.query("SELECT count() AS n FROM directory_snapshots") == [{"n": 0}]
        jira.faults()
        before = jira.site.requests["POST /rest/api/3/search/jql"]
        outcome = await rollcall.reconcile(RunOptions(WindowRequest(), resume=True))
        assert outcome.complete
        assert jira.site.requests["POST /rest/api/3/search/jql"] == before
        assert await rollcall.query("SELECT count() AS n FROM directory_snapshots") == [{"n": 1}]


async def test_a_log_that_fails_anywhere_leaves_no_half_snapshot(tmp_path: Path) -> None:
    """The row that completes a snapshot is on the log only when all others are."""
    async with jira_site(config(people=5, acts_per_day=0.5, days=3, hard_cases=False)) as jira:
        settings = settings_for(jira.url, tmp_path)
        for first in (1, 2):
            with pytest.raises(LogUnavailableError):
                await reconcile(settings, PEOPLE, failures=Failures(first))
            assert rows(await appended(settings), SnapshotComplete) == []
        await reconcile(settings, PEOPLE)
        assert len(rows(await appended(settings), SnapshotComplete)) == 1


async def views(rollcall: Installed) -> dict[str, Any]:
    usage = await rollcall.query("SELECT account_id, status, licenses FROM user_usage_30d")
    seats = await rollcall.query("SELECT product, assigned FROM license_usage_30d")
    return {
        "users": {row["account_id"]: (row["status"], tuple(row["licenses"])) for row in usage},
        "assigned": {row["product"]: row["assigned"] for row in seats},
    }


async def test_views_show_the_last_whole_snapshot(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        await rollcall.reconcile(ONLY)
        first = await views(rollcall)
        # Who holds jira-core beside another product counts once.
        licenses = [licenses for _, licenses in first["users"].values()]
        assert not [held for held in licenses if "jira-core" in held and len(held) > 1]
        assert sum(first["assigned"].values()) == sum(map(len, licenses))

        holder = next(
            row["account_id"] for row in truth(jira, "group") if row["group"] == "helpers"
            and first["users"][row["account_id"]][1] == ("jira-servicedesk", "jira-software")
        )  # fmt: skip
        gone = next(one for one, told in first["users"].items() if told == ("active", ("jira-software",)))
        jira.site.directory.remove_user(gone)
        jira.site.directory.move_license(holder, "jira-servicedesk", "jira-product-discovery")

        # The run ends between users and licenses, refused: nobody sees anything of it.
        refused = {"GET /rest/api/3/applicationrole": [401] * 50, "GET /rest/api/3/myself": [200] + [401] * 50}
        jira.faults(forced=refused)
        with suppress(JiraRefusedError):
            assert not (await rollcall.reconcile(ONLY)).complete
        assert await rollcall.found.write() == ""
        assert await views(rollcall) == first

        jira.faults()
        await rollcall.reconcile(ONLY)
        second = await views(rollcall)
        assert gone not in second["users"]
        assert second["users"][holder][1] == ("jira-product-discovery", "jira-software")
        assert second["assigned"]["jira-software"] == first["assigned"]["jira-software"] - 1
