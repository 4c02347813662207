"""Lists that say too little of themselves, or lie: which page is the last, how much there is, and who pauses."""

from collections.abc import Sequence
from typing import Any

import httpx
import msgspec
import pytest

from reconcile.backfill.activity import is_cut
from reconcile.backfill.worklogs import following
from reconcile.client import jira_errors
from reconcile.client.endpoints import GROUP_MEMBERS, MYSELF, SEARCH, SERVER_INFO
from reconcile.client.jira_errors import JiraRefusedError, JiraUnavailableError, PagingError
from reconcile.client.paging import by_offset
from reconcile.client.retry import retry_after
from reconcile.responses import Comments, MemberPage, Myself, Person, WorklogFeed

from ..reconcile.scripted import Script, page, scripted
from ..reconcile.site import NOW

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("last", [True, None])
async def test_a_list_goes_on_while_more_is_counted(last: bool | None) -> None:
    async def ask(start: int) -> MemberPage:
        people = [Person(f"a{number}") for number in range(start, min(start + 50, 120))]
        return MemberPage(people, is_last=last, max_results=50, total=120)

    assert [one.size async for one in by_offset(GROUP_MEMBERS, ask)] == [50, 50, 20]


async def test_a_count_that_is_too_high_costs_one_request_more() -> None:
    asked = list[int]()

    async def ask(start: int) -> MemberPage:
        asked.append(start)
        return MemberPage([] if start else [Person("a")], is_last=True, total=99)

    assert [one.size async for one in by_offset(GROUP_MEMBERS, ask)] == [1]
    assert asked == [0, 1]


async def test_empty_pages_without_end_end() -> None:
    asked = list[int]()

    async def ask(start: int) -> MemberPage:
        asked.append(start)
        return MemberPage([], is_last=False, max_results=50)

    assert [one async for one in by_offset(GROUP_MEMBERS, ask)] == []
    assert len(asked) < 100


def feed(count: int, **given: Any) -> WorklogFeed:
    return WorklogFeed([msgspec.Raw(b"{}")] * count, **given)


@pytest.mark.parametrize("last", [True, None])
def test_a_full_page_of_a_feed_is_never_the_last(last: bool | None) -> None:
    assert following(feed(1000, until=NOW, last_page=last), NOW - 9000, NOW) == (NOW - 1, False)


def test_a_page_that_does_not_say_whether_it_is_the_last() -> None:
    assert following(feed(3, until=NOW), NOW - 9000, NOW) == (NOW - 1, False)
    assert following(feed(1, until=NOW), NOW, NOW) == (NOW, True)
    assert following(feed(0, until=NOW), NOW - 9000, 0) == (NOW - 9000, True)


def test_an_empty_page_with_others_behind_it() -> None:
    assert following(feed(0, until=NOW - 5000, last_page=False), NOW - 9000, 0) == (NOW - 5001, False)
    with pytest.raises(PagingError):
        following(feed(0, until=NOW - 9000, last_page=False), NOW - 9000, 0)
    with pytest.raises(PagingError):
        following(feed(0, until=NOW, last_page=False), NOW - 9000, 0, empty=51)


def test_a_page_of_which_nothing_can_be_read_does_not_end_the_feed() -> None:
    assert following(feed(1000, until=NOW, last_page=False), NOW - 9000, 0) == (NOW - 1, False)


def test_until_before_since_is_a_loop() -> None:
    with pytest.raises(PagingError):
        following(feed(1000, until=NOW - 9001, last_page=False), NOW - 9000, NOW)


@pytest.mark.parametrize(("count", "total", "cut"), [(3, 3, False), (3, 4, True), (20, 20, True), (3, None, True)])
def test_whether_comments_are_cut(count: int, total: int | None, cut: bool) -> None:
    """So many as a cap gives are not all because Jira counts no more."""
    assert is_cut(Comments([msgspec.Raw(b"{}")] * count, total=total)) is cut


@pytest.mark.parametrize(
    "after",
    [
        "",
        "-1",
        "1e9",
        "NaN",
        "inf",
        "\u0661",
        "Mon, 01 Jan 0001 00:00:00 -0000",
        "Mon, 01 Jan 1990",
        "0x10",
        "1,2",
        "+5",
    ],
)
def test_a_pause_that_is_none(after: str) -> None:
    assert retry_after(429, {"retry-after": after}).seconds == 0


@pytest.mark.parametrize("after", ["9" * 400, "99999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
async def test_an_enormous_pause_is_not_waited_for(after: str) -> None:
    script = Script([page({}, 429, retry_after=after)])
    async with scripted(script) as jira:
        with pytest.raises(JiraUnavailableError, match="longer than reconcile") as caught:
            await jira.ask(SEARCH)
    assert (len(script.asked), caught.value.limited) == (1, True)


async def test_an_answer_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jira_errors, "_MOST_BYTES", 100)
    script = Script([httpx.Response(200, content=b" " * 101)])
    async with scripted(script) as jira:
        with pytest.raises(JiraRefusedError, match="an answer of more than 0 MiB"):
            await jira.ask(SERVER_INFO)
    assert len(script.asked) == 1


MARKS: Sequence[bytes] = (b"\xef\xbb\xbf" + b'{"timeZone": "UTC"}', '\ufeff{"timeZone": "UTC"}'.encode("utf-16-be"))


@pytest.mark.parametrize("content", MARKS)
async def test_a_mark_of_byte_order_before_the_first_answer(content: bytes) -> None:
    async with scripted(Script([httpx.Response(200, content=content)])) as jira:
        assert (await jira.read(Myself, MYSELF)).time_zone == "UTC"
