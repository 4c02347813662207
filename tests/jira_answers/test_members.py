"""Members of a group are held against the answer's own count; one who joins or leaves meanwhile is no fault."""

from typing import Any

import httpx
import pytest

from reconcile.client.jira_errors import JiraError
from reconcile.directory.grants import Groups
from reconcile.directory.omissions import accounts_by_id

from ..reconcile.scripted import Script, page, scripted

pytestmark = pytest.mark.anyio


def members(*names: str, total: int | None, active: bool = True) -> httpx.Response:
    people = [{"accountId": name, "accountType": "atlassian", "active": active} for name in names]
    return page({"values": people, "isLast": True, "total": total, "maxResults": 50})


async def read(*answers: httpx.Response) -> tuple[dict[str, bool], list[bool]]:
    """Read a group; return its members, and of each request whether it asked for inactive ones."""
    script = Script(list(answers))
    async with scripted(script) as jira:
        found = await Groups(jira, lambda: None, lambda _: None).members("7")
    return found, [request.url.params["includeInactiveUsers"] == "true" for request in script.asked]


async def test_as_many_as_are_counted_are_asked_for_once() -> None:
    assert await read(members("ann", "bob", total=2)) == ({"ann": True, "bob": True}, [False])
    assert await read(members("ann", total=None)) == ({"ann": True}, [False])
    assert await read(members(total=0)) == ({}, [False])


async def test_a_member_who_was_passed_over_is_there_the_second_time() -> None:
    found, asked = await read(members("ann", total=2), members("ann", "bob", total=2))
    assert (found, asked) == ({"ann": True, "bob": True}, [False, True])


async def test_a_count_of_those_who_are_not_active_too() -> None:
    gone: dict[str, Any] = {"accountId": "cyd", "accountType": "atlassian", "active": False}
    both = page(
        {"values": [{**gone, "accountId": "ann", "active": True}, gone], "isLast": True, "total": 2, "maxResults": 50}
    )
    assert await read(members("ann", total=2), both) == ({"ann": True}, [False, True])


@pytest.mark.parametrize(("given", "words"), [(["ann"], "counts 2 members and names 1"), ([], "and names nobody")])
async def test_fewer_than_are_counted(given: list[str], words: str) -> None:
    with pytest.raises(JiraError, match=words):
        await read(members(*given, total=2), members(*given, total=2))


async def test_fewer_accounts_than_are_counted() -> None:
    """As many as were asked for may be a count of just those, so that whom it does not name is not known there."""
    told: list[str] = []
    for total in (2, 3):
        async with scripted(Script([members("ann", total=total)])) as jira:
            await accounts_by_id(jira, ["ann", "bob", "cyd"], lambda number, why: told.append(f"{number} {why}"))
    assert told == ["3 GET /user/bulk: Jira counts 2 accounts and names 1"]
