"""A page that brings nothing new ends its list with an error, after few requests and in bounded memory."""

import itertools
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from reconcile.backfill.activity import other_comments
from reconcile.backfill.worklogs import following
from reconcile.client.endpoints import GROUP_MEMBERS, PROJECTS, SEARCH
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import JiraRefusedError, PagingError
from reconcile.client.paging import SeenElements, SeenTokens, by_offset
from reconcile.directory.grants import Groups, all_users
from reconcile.responses import (
    ChangelogPage,
    Comments,
    Group,
    GroupPage,
    MemberPage,
    NamedProject,
    Person,
    ProjectPage,
    SearchPage,
    WorklogFeed,
)

from ..reconcile.backfilling import reconcile
from ..reconcile.scripted import Script, page, scripted
from ..reconcile.site import NOW, config, settings_for
from .altered import altered, path_of

pytestmark = pytest.mark.anyio


def never(_: object) -> None:
    raise AssertionError("the list is said to be cut")


def people(first: int, count: int) -> list[dict[str, Any]]:
    return [{"accountId": f"a{number}", "accountType": "atlassian"} for number in range(first, first + count)]


async def user_ids(jira: JiraClient) -> list[str]:
    return [person.known_id async for some in all_users(jira, lambda: None, never) for person in some]


async def test_users_whose_offset_is_ignored() -> None:
    script = Script([page(people(0, 70))])
    async with scripted(script) as jira:
        with pytest.raises(PagingError, match="GET /users/search: Jira repeats a page instead of going on"):
            await user_ids(jira)
    assert len(script.asked) <= 4


async def test_users_in_another_order_each_time() -> None:
    turns = itertools.count()

    def shuffled(_: httpx.Request) -> httpx.Response:
        turn = next(turns) % 70
        return page([*people(turn, 70 - turn), *people(0, turn)])

    script = Script(by_path={"/users/search": shuffled})
    async with scripted(script) as jira:
        with pytest.raises(PagingError):
            await user_ids(jira)
    assert len(script.asked) <= 4


async def test_hidden_rows_are_no_loop() -> None:
    """Jira cuts first and hides afterwards: a page may show again what the one before it showed, and nothing else."""

    def hiding(request: httpx.Request) -> httpx.Response:
        start = int(request.url.params["startAt"])
        seen = [number for number in range(start, start + 1000) if 900 <= number < 910 or 1900 <= number < 1920]
        return page([person for number in seen for person in people(number, 1)])

    script = Script(by_path={"/users/search": hiding})
    async with scripted(script) as jira:
        found = await user_ids(jira)
    assert found[:10] == [f"a{number}" for number in range(900, 910)]
    assert len(found) == len(set(found)) > 10


Listed = Callable[[JiraClient], Any]


async def members(jira: JiraClient) -> None:
    await Groups(jira, lambda: None, lambda _: None).members("g1")


async def groups(jira: JiraClient) -> None:
    await Groups(jira, lambda: None, lambda _: None).with_access("admin")


async def projects(jira: JiraClient) -> None:
    async def ask(start: int) -> ProjectPage:
        return await jira.read(ProjectPage, PROJECTS, query={"startAt": start})

    async for _ in by_offset(PROJECTS, ask):
        pass


@pytest.mark.parametrize(
    ("listed", "values"),
    [
        (members, people(0, 50)),
        (members, [{"displayName": "no id"}]),
        (groups, [{"groupId": f"g{number}", "name": "x"} for number in range(50)]),
        (projects, [{"key": f"P{number}", "id": number} for number in range(50)]),
    ],
    ids=["members", "members without ids", "groups", "projects"],
)
async def test_offsets_that_are_ignored(listed: Listed, values: list[Any]) -> None:
    script = Script([page({"values": values, "isLast": False, "maxResults": 50})])
    async with scripted(script) as jira:
        with pytest.raises(PagingError, match="repeats a page"):
            await listed(jira)
    assert len(script.asked) <= 4


async def test_an_offset_behind_the_end_that_is_refused_proves_that_offsets_count() -> None:
    def pages(start: int) -> ProjectPage:
        if start > 1000:
            raise JiraRefusedError("too far", 400)
        values = [NamedProject(f"P{number}") for number in ((0, 1) if start < 4 else (2, 3))]
        return ProjectPage(values, is_last=start >= 4)

    async def ask(start: int) -> ProjectPage:
        return pages(start)

    found = [project.key async for one in by_offset(PROJECTS, ask) for project in one.values]
    assert found == ["P0", "P1", "P0", "P1", "P2", "P3"]


async def test_a_circle_of_pages_by_offset() -> None:
    """Longer than what is remembered of single elements."""
    asked = 0

    async def ask(start: int) -> MemberPage:
        nonlocal asked
        asked += 1
        number = start // 50 % 1000
        return MemberPage([Person(f"a{number}-{one}") for one in range(50)], is_last=False)

    with pytest.raises(PagingError):
        async for _ in by_offset(GROUP_MEMBERS, ask):
            pass
    assert asked < 3100


async def test_the_same_page_under_a_new_token_each_time() -> None:
    tokens = SeenTokens(SEARCH)
    tokens.check("1", [7, 8])
    tokens.check("2", [8, 9])
    with pytest.raises(PagingError, match="POST /search/jql: Jira repeats a page"):
        tokens.check("3", [9, 8])


async def test_a_token_that_was_given_before() -> None:
    tokens = SeenTokens(SEARCH, "begun")
    tokens.check("a", [1])
    with pytest.raises(PagingError):
        tokens.check("a", [2])
    with pytest.raises(PagingError):
        tokens.check("begun")


async def test_a_page_that_goes_back_to_the_first_under_a_new_token() -> None:
    tokens = SeenTokens(SEARCH)
    for number in range(100):
        tokens.check(f"t{number}", range(number * 100, number * 100 + 100))
    with pytest.raises(PagingError):
        tokens.check("new", range(100))


async def test_empty_pages_may_come_but_not_for_ever() -> None:
    tokens = SeenTokens(SEARCH)
    for number in range(40):
        tokens.check(f"a{number}", [])
    tokens.check("between", [1])
    for number in range(50):
        tokens.check(f"b{number}", [])
    with pytest.raises(PagingError):
        tokens.check("last", [])


@pytest.mark.parametrize("length", [1, 2, 3, 50, 999])
def test_a_circle_of_any_length_is_noticed(length: int) -> None:
    seen = SeenElements()
    pages = 0
    while seen.remember(range(pages % length * 100, pages % length * 100 + 100)):
        pages += 1
    assert length <= pages <= 4 * length


def test_a_long_list_is_remembered_in_little_memory() -> None:
    seen = SeenElements()
    tracemalloc.start()
    try:
        for start in range(0, 400_000, 1000):
            assert seen.remember(range(start, start + 1000))
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


async def test_groups_in_two_pages_are_no_loop() -> None:
    async def ask(start: int) -> GroupPage:
        return GroupPage([Group(f"g{start}")], is_last=start > 0)

    assert [len(one.values) async for one in by_offset(GROUP_MEMBERS, ask)] == [1, 1]


def test_what_tells_the_elements_of_a_page_apart() -> None:
    found = msgspec.json.decode(b'{"issues": [{"id": "7", "x": 1}, {"id": 7, "x": 2}, {}, 3]}', type=SearchPage)
    assert found.keys == ["7", "7", b"{}", b"3"]
    histories = msgspec.json.decode(b'{"issueChangeLogs": [{"issueId": "7"}, 3]}', type=ChangelogPage)
    assert histories.keys == [b'{"issueId": "7"}', b"3"]
    assert msgspec.json.decode(b'{"comments": [{"id": "1"}]}', type=Comments).keys == [b'{"id": "1"}']


async def test_comments_whose_offset_is_ignored() -> None:
    comments = [{"id": str(number)} for number in range(100)]
    script = Script([page({"comments": comments, "total": 3000, "startAt": 0})])
    async with scripted(script) as jira:
        with pytest.raises(PagingError, match="comment: Jira repeats a page"):
            async for _ in other_comments(jira, 7, None):
                pass
    assert len(script.asked) == 2


def turned(page: WorklogFeed, most: int) -> None:
    """Go on from the same page so often."""
    since = NOW - 9000
    for _ in range(most):
        since, _ = following(page, since, NOW)


@pytest.mark.parametrize("until", [NOW, NOW - 5000, NOW - 500])
def test_a_feed_that_does_not_go_on(until: int) -> None:
    """The same page again, whatever it was requested with."""
    again = WorklogFeed(values=[msgspec.Raw(b"{}")], until=until, last_page=False)
    with pytest.raises(PagingError, match="worklog feed: Jira repeats a page"):
        turned(again, 5)


LISTS = {
    "/search/jql": "nextPageToken",
    "/changelog/bulkfetch": "nextPageToken",
    "/worklog/updated": "lastPage",
    "/worklog/deleted": "lastPage",
    "/users/search": "",
    "/group/member": "isLast",
    "/group/bulk": "isLast",
    "/project/search": "isLast",
}


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_without_end_ends_that_list_and_is_no_success(tmp_path: Path, path: str) -> None:
    """Whatever is asked, the first page again; under a new token each time where there are tokens."""
    first: dict[object, bytes] = {}
    asked = itertools.count()

    def again(request: httpx.Request, given: httpx.Response) -> httpx.Response:
        if path_of(request) != path:
            return given
        body = msgspec.json.decode(request.content) if request.content else {}
        found = msgspec.json.decode(first.setdefault(str(body.get("fields")), given.content))
        number = next(asked)
        if LISTS[path] == "nextPageToken":
            found |= {"nextPageToken": f"token-{number}", "isLast": False}
        elif LISTS[path]:
            found |= {LISTS[path]: False}
        return page(found)

    async with altered(config(people=4, acts_per_day=0.5, days=32), again) as jira:
        run = await reconcile(settings_for(jira.url, tmp_path))
    assert next(asked) < 200  # of changelogs, each issue's are tried alone
    assert "repeats a page" in " ".join(run.missing)
