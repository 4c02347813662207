"""A fault of one part of the directory costs that part alone: it stays as it was, by name, and mends itself later."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reconcile.run import RunOptions
from simulator.company.directory import directory_truth
from simulator.rest.call import ApiCall
from simulator.rest.response import JiraError
from simulator.rest.rest_serializer import RestSerializer

from ..reconcile.commandline import command, write_config
from ..reconcile.installed import Installed, installed
from ..reconcile.site import JiraSite, config, jira_site, settings_for
from .changed_answers import Change, ChangedAnswers, fails

pytestmark = pytest.mark.anyio

ONLY = RunOptions(parts=("directory",))
SITE = config(people=40, acts_per_day=0.2, days=3, hard_cases=False)
GLOBAL = ("site admin", "product access", "group")
SOFTWARE, DESK, DISCOVERY, CORE = "jira-software", "jira-servicedesk", "jira-product-discovery", "jira-core"
ROLES, PRODUCT_ROLES = ("roles:site admin", "roles:group"), ("roles:product access", "roles:group")
ALL_LICENSES = tuple(f"licenses:{product}" for product in (SOFTWARE, DESK, DISCOVERY, CORE))

Standing = dict[str, set[tuple[str, str]]]
"""By part, accounts and what they are or hold, as the reports say."""


@dataclass(frozen=True)
class Fault:
    """What is answered otherwise, which parts that costs, and the words for it."""

    name: str
    changes: Callable[[JiraSite], dict[str, Change]]
    lacks: tuple[str, ...]
    words: str


def group_id(jira: JiraSite, name: str) -> str:
    group = jira.site.directory.group(name)
    assert group
    return group.id


def project(jira: JiraSite) -> str:
    return jira.site.projects[0].key


def first_members(jira: JiraSite) -> Change:
    """Give three of the group's members and say that this is all."""

    def change(call: ApiCall, right: Callable[[], Any]) -> Any:
        answer = right()
        if call.query.get("groupId") == group_id(jira, "helpers"):
            answer |= {"values": answer["values"][:3], "isLast": True, "total": 3}
        return answer

    return change


def fewer(jira: JiraSite, group: str) -> dict[str, Change]:
    """Give all of a group's members but the first, and count them all."""

    def change(call: ApiCall, right: Callable[[], Any]) -> Any:
        answer = right()
        if call.query.get("groupId") == group_id(jira, group) and call.query["startAt"] == "0":
            answer |= {"values": answer["values"][1:]}
        return answer

    return {"GET /group/member": change}


def later_pages_fail(call: ApiCall, right: Callable[[], Any]) -> Any:
    if call.query["startAt"] != "0":
        raise JiraError(500, "It went wrong.")
    return right()


FAULTS = [
    Fault(
        "site admins 500",
        lambda jira: {"GET /group/bulk": fails(500, accessType="site-admin")},
        ROLES,
        "who administers the site: GET /group/bulk: Jira answers 500",
    ),
    Fault(
        "users of one product 500",
        lambda jira: {"GET /group/bulk": fails(500, applicationKey=SOFTWARE)},
        PRODUCT_ROLES,
        "who administers or uses which product: GET /group/bulk",
    ),
    Fault(
        "groups 500", lambda jira: {"GET /group/bulk": fails(500)}, (*ROLES, *PRODUCT_ROLES), "who administers the site"
    ),
    Fault(
        "license group 404",
        lambda jira: {"GET /group/member": fails(404, groupId=group_id(jira, "helpers"))},
        ("licenses:jira-servicedesk", "licenses:jira-core", *PRODUCT_ROLES),
        "the licenses of jira-servicedesk: 1 of its groups cannot be found; Jira counts ",
    ),
    Fault(
        "license group 500",
        lambda jira: {"GET /group/member": fails(500, groupId=group_id(jira, "helpers"))},
        ("licenses:jira-servicedesk", "licenses:jira-core", *PRODUCT_ROLES),
        "the licenses of jira-servicedesk: GET /group/member: Jira answers 500",
    ),
    Fault(
        "license group of fewer than it counts",
        lambda jira: fewer(jira, "helpers"),
        ("licenses:jira-servicedesk", "licenses:jira-core", *PRODUCT_ROLES),
        "the licenses of jira-servicedesk: GET /group/member: Jira counts ",
    ),
    Fault(
        "site admins of fewer than it counts",
        lambda jira: fewer(jira, "owners"),
        ROLES,
        "who administers the site: GET /group/member: Jira counts ",
    ),
    Fault(
        "project group of fewer than it counts",
        lambda jira: fewer(jira, f"team-{project(jira).lower()}"),
        ("the project",),
        "the roles in {project}: GET /group/member: Jira counts ",
    ),
    Fault(
        "products none",
        lambda jira: {"GET /applicationrole": lambda call, right: []},
        (*ALL_LICENSES, *PRODUCT_ROLES),
        "licenses, seats and the roles that come with them: GET /applicationrole: Jira names no product",
    ),
    Fault(
        "products 500",
        lambda jira: {"GET /applicationrole": fails(500)},
        (*ALL_LICENSES, *PRODUCT_ROLES),
        "licenses, seats and the roles that come with them: GET /applicationrole: Jira answers 500",
    ),
    Fault(
        "products 403",
        lambda jira: {"GET /applicationrole": fails(403)},
        (*ALL_LICENSES, *PRODUCT_ROLES),
        "licenses, seats and the roles that come with them: GET /applicationrole: Jira answers 403",
    ),
    Fault(
        "roles of a project 500",
        lambda jira: {"GET /project/{project}/role": fails(500, project=project(jira))},
        ("the project",),
        "the roles in {project}: GET /project/{{projectIdOrKey}}/role: Jira answers 500",
    ),
    Fault(
        "one role of a project 500",
        lambda jira: {"GET /project/{project}/role/{id}": fails(500, project=project(jira), id="10003")},
        ("the project",),
        "the roles in {project}: GET /project/{{projectIdOrKey}}/role/{{id}}: Jira answers 500",
    ),
    Fault(
        "roles of a project 403",
        lambda jira: {"GET /project/{project}/role": fails(403, project=project(jira))},
        ("the project",),
        "the roles in 1 projects, which the account may not see",
    ),
    Fault(
        "projects 500",
        lambda jira: {"GET /project/search": fails(500)},
        ("projects",),
        "project roles: GET /project/search",
    ),
    Fault(
        "users 500",
        lambda jira: {"GET /users/search": fails(500)},
        ("users",),
        "users: GET /users/search: Jira answers 500",
    ),
    Fault(
        "users 403",
        lambda jira: {"GET /users/search": fails(403)},
        ("users",),
        "users: GET /users/search: Jira answers 403",
    ),
    Fault(
        "users end in 500",
        lambda jira: {"GET /users/search": later_pages_fail},
        ("users",),
        "users: GET /users/search: Jira answers 500",
    ),
    Fault(
        "users none",
        lambda jira: {"GET /users/search": lambda call, right: []},
        ("users",),
        "users: GET /users/search: Jira names nobody",
    ),
]


async def standing(rollcall: Installed) -> Standing:
    found: Standing = {}
    for row in await rollcall.query("SELECT account_id, status, licenses, roles FROM user_usage_30d"):
        if row["status"] in ("active", "inactive"):
            found.setdefault("users", set()).add((row["account_id"], row["status"]))
        for product in row["licenses"]:
            found.setdefault(f"licenses:{product}", set()).add((row["account_id"], product))
        for role in row["roles"]:
            name, _, scope = role.removesuffix(")").rpartition(" (")
            part = f"roles:{scope}" if scope in GLOBAL else f"projects:{scope}"
            found.setdefault(part, set()).add((row["account_id"], name))
    return found


def kept(found: Standing, accounts: set[str]) -> Standing:
    """What these accounts hold of it."""
    return {part: some for part, all_of in found.items() if (some := {one for one in all_of if one[0] in accounts})}


def lacked(fault: Fault, jira: JiraSite, part: str) -> bool:
    names = [f"projects:{project(jira)}" if one == "the project" else one for one in fault.lacks]
    return any(part == name or part.startswith(f"{name}:") for name in names)


def move_people(jira: JiraSite) -> None:
    """Change something about each part."""
    directory, now = jira.site.directory, jira.site.clock.now()
    rows = list(directory_truth(directory, now))
    owners = directory.group("owners")
    assert owners
    held: dict[str, set[str]] = {}
    for row in rows:
        if row["kind"] == "license":
            held.setdefault(row["account_id"], set()).add(row["product"])
    plain = [account for account, some in sorted(held.items()) if directory.index[account] not in owners.members]
    directory.remove_user(next(one for one in plain if held[one] == {SOFTWARE}))
    helper = next(one for one in plain if DESK in held[one] and DISCOVERY not in held[one])
    directory.move_license(helper, DESK, DISCOVERY)
    directory.set_member("owners", helper, member=True)
    team = directory.group(f"team-{project(jira).lower()}")
    assert team
    away = next(account for account in reversed(plain) if directory.index[account] in team.members)
    directory.set_member(team.id, away, member=False)
    directory.set_member("office", away, member=True)


def told(fault: Fault, jira: JiraSite, missing: list[str]) -> bool:
    return any(one.startswith(fault.words.format(project=project(jira))) for one in missing)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_one_part_fails_and_mends_itself(tmp_path: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = ChangedAnswers(monkeypatch)
    async with jira_site(SITE) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        assert (await rollcall.reconcile(ONLY)).complete
        before = await standing(rollcall)
        move_people(jira)
        changed.now = fault.changes(jira)
        outcome = await rollcall.reconcile(ONLY)
        during = await standing(rollcall)
        changed.now = {}
        assert told(fault, jira, outcome.run.missing), outcome.run.missing
        assert not outcome.complete
        assert not outcome.run.unfinished
        assert (await rollcall.reconcile(ONLY)).complete
        after = await standing(rollcall)
        accounts = {account for account, _ in during["users"]}
        wanted = kept(
            {part: (before if lacked(fault, jira, part) else after).get(part, set()) for part in before | after},
            accounts,
        )
        assert during == wanted
        changes = {part for part in before | after if before.get(part) != after.get(part)}
        assert {part.partition(":")[0] for part in changes} == {"users", "licenses", "roles", "projects"}
        assert {account for account, _ in after["users"]} == {
            row["account_id"]
            for row in directory_truth(jira.site.directory, jira.site.clock.now())
            if row["kind"] == "user"
        }


FIRST_OF_A_PART = [*{fault.lacks: fault for fault in reversed(FAULTS) if "users" not in fault.lacks}.values()]
"""One fault for all that cost the same parts: how each is told is tested above."""


@pytest.mark.parametrize("fault", FIRST_OF_A_PART, ids=lambda fault: fault.name)
async def test_a_part_that_fails_from_the_first_run_on_costs_no_other(
    tmp_path: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = ChangedAnswers(monkeypatch)
    async with jira_site(SITE) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        changed.now = fault.changes(jira)
        outcome = await rollcall.reconcile(ONLY)
        during = await standing(rollcall)
        assert not outcome.complete
        assert told(fault, jira, outcome.run.missing)
        changed.now = {}
        assert (await rollcall.reconcile(ONLY)).complete
        after = await standing(rollcall)
        assert {part: some for part, some in during.items() if not lacked(fault, jira, part)} == {
            part: some for part, some in after.items() if not lacked(fault, jira, part)
        }
        # Of what failed there may be a part of the roles, never of the licenses, and nothing that is not so.
        for part in filter(lambda part: lacked(fault, jira, part), during):
            assert not part.startswith("licenses")
            assert during[part] <= after[part]


async def test_holders_far_from_jiras_own_count_never_replace_nearer_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = ChangedAnswers(monkeypatch)
    async with jira_site(SITE) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        changed.now = {"GET /group/member": first_members(jira)}
        outcome = await rollcall.reconcile(ONLY)
        poor = await standing(rollcall)
        # Nothing better is known: they are shown, and the run says what is the matter.
        [words] = outcome.run.missing
        assert words.startswith("licenses of jira-servicedesk: Jira counts ")
        assert not outcome.complete
        changed.now = {}
        assert (await rollcall.reconcile(ONLY)).complete
        whole = await standing(rollcall)
        assert poor["licenses:jira-servicedesk"] < whole["licenses:jira-servicedesk"]
        changed.now = {"GET /group/member": first_members(jira)}
        outcome = await rollcall.reconcile(ONLY)
        [words] = outcome.run.missing
        assert words.startswith("the licenses of jira-servicedesk: Jira counts ")
        assert "; reports go on with what was read on 20" in words
        assert (await standing(rollcall))["licenses:jira-servicedesk"] == whole["licenses:jira-servicedesk"]


def hidden(first: int, count: int) -> Change:
    """Have so many hidden accounts from that place on: Jira cuts a page first and leaves them out afterwards."""

    def change(call: ApiCall, right: Callable[[], Any]) -> Any:
        people, start = call.site.directory.people, int(call.query["startAt"])
        places = range(start, start + int(call.query["maxResults"]))
        shown = [place if place < first else place - count for place in places if not first <= place < first + count]
        return [RestSerializer(call.site).user(one) for one in shown if one < len(people)]

    return change


@pytest.mark.parametrize("count", [900, 1100, 1900])
async def test_hidden_accounts_in_a_row_are_not_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    changed = ChangedAnswers(monkeypatch)
    async with jira_site(SITE) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        changed.now = {"GET /users/search": hidden(20, count)}
        assert (await rollcall.reconcile(ONLY)).complete
        assert {account for account, _ in (await standing(rollcall))["users"]} == {
            person.account_id for person in jira.site.directory.people
        }


def without(left_out: set[str]) -> Change:
    """Leave these accounts out of the list of users."""
    return lambda call, right: [row for row in right() if row["accountId"] not in left_out]


async def test_people_whom_only_their_groups_name_are_listed_and_a_shorter_list_replaces_no_longer_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = ChangedAnswers(monkeypatch)
    async with jira_site(SITE) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        directory, now = jira.site.directory, jira.site.clock.now()
        holders = {person.account_id for person in directory.holders(SOFTWARE, now)}
        others = {person.account_id for person in directory.people} - {
            directory.people[index].account_id for group in directory.groups.values() for index in group.members
        }
        assert holders
        assert others
        changed.now = {"GET /users/search": without(holders)}
        outcome = await rollcall.reconcile(ONLY)
        [words] = outcome.run.missing
        assert words.startswith(f"users: GET /users/search leaves out {len(holders)} people who are in groups; ")
        assert not outcome.complete
        people = await rollcall.query("SELECT account_id, name, status FROM user_usage_30d")
        assert holders <= {row["account_id"] for row in people if row["name"] and row["status"] == "active"}
        changed.now = {}
        assert (await rollcall.reconcile(ONLY)).complete
        whole = await standing(rollcall)

        changed.now = {"GET /users/search": without(holders | others)}
        outcome = await rollcall.reconcile(ONLY)
        [words] = outcome.run.missing
        assert "; reports go on with what was read on 20" in words
        assert await standing(rollcall) == whole


async def test_the_command_says_what_is_missing_and_ends_with_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = ChangedAnswers(monkeypatch)
    async with jira_site(SITE) as jira:
        path = write_config(jira.url, tmp_path)
        assert (await command(path, "reconcile", "--only", "directory")).code == 0
        changed.now = {"GET /group/member": fails(404, groupId=group_id(jira, "helpers"))}
        done = await command(path, "reconcile", "--only", "directory")
        assert done.code == 3
        assert "missing: the licenses of jira-servicedesk: 1 of its groups cannot be found" in " ".join(
            done.err.split()
        )
