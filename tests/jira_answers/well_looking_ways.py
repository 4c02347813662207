"""Ways to answer that look well, or nearly so: lists that are cut without a word, and people and times as none are.

Every answer has its form, and lacks what happened, when, or who did it, all the same.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from functools import partial
from typing import Any

import httpx

from ..reconcile.site import NOW
from .faults import (
    ALL,
    CHANGELOGS,
    COMMENTS,
    FACTS,
    SEARCH,
    WORKLOGS,
    Case,
    at,
    body,
    cut_at,
    dropped,
    everywhere,
    listed,
    nulled,
    times,
)
from .in_process import with_body

BEFORE = f"{datetime.fromtimestamp(NOW / 1000 - 10 * 86_400, UTC):%Y-%m-%d}"
"""What happened before is in no window of these cases."""
_YEARS_MS = 70 * 365 * 86_400_000


def later(*names: str) -> Callable[[httpx.Response], httpx.Response]:
    """Move moments of these names seventy years into the future, ISO and epoch ms."""

    def moved(name: str, one: Any) -> Any:
        if name not in names:
            return walked(one)
        if isinstance(one, str) and one[10:11] == "T":
            return f"{int(one[:4]) + 70}{one[4:]}"
        return one + _YEARS_MS if type(one) is int else one

    def walked(given: Any) -> Any:
        if isinstance(given, dict):
            return {name: moved(name, one) for name, one in given.items()}
        return [walked(one) for one in given] if isinstance(given, list) else given

    return body(walked)


def embedded(most: int) -> Callable[[httpx.Response], httpx.Response]:
    """Let a search give so many comments of each issue at most, and say that there are no more."""

    def cut(given: Any) -> Any:
        if not isinstance(given, dict) or not isinstance(comments := given.get("comments"), list):
            return {name: walked(one) for name, one in given.items()} if isinstance(given, dict) else given
        return {**given, "comments": comments[:most], "total": min(most, len(comments))}

    def walked(given: Any) -> Any:
        return [cut(one) for one in given] if isinstance(given, list) else cut(given)

    return body(walked)


def dated(days: float) -> Callable[[httpx.Response], httpx.Response]:
    """Have every answer dated so many days before its time, as a proxy does that holds the `Date` of an old one."""
    date = formatdate(NOW / 1000 - days * 86_400, usegmt=True)
    return lambda given: with_body(given, given.content, date=date)


def edited_before(hours: float) -> Callable[[httpx.Response], httpx.Response]:
    """Have what was never edited touched last so long before it was made, as imports and clocks leave it."""

    def moved(given: Any) -> Any:
        if isinstance(given, list):
            return [moved(one) for one in given]
        if not isinstance(given, dict):
            return given
        if "updateAuthor" in given and given["updated"] == given["created"]:
            made = datetime.fromisoformat(given["created"])
            return {**given, "updated": f"{made - timedelta(hours=hours):%Y-%m-%dT%H:%M:%S.000%z}"}
        return {name: moved(one) for name, one in given.items()}

    return body(moved)


def one_less(given: httpx.Response) -> httpx.Response:
    """Leave the last comment of an issue out, and count no more than are given."""
    return body(lambda found: {**found, "comments": found["comments"][:-1], "total": len(found["comments"]) - 1})(given)


WELL_LOOKING = [
    Case(
        "comments left out of a page and of its total",
        lambda: at(COMMENTS, one_less),
        r"comments of (\d+ issues:|issue \d+) .*Jira counts more comments than it gives",
        {"comment"},
        endpoint=COMMENTS,
    ),
    # Comments and worklogs.
    *(
        Case(
            f"touched last {hours} hours before it was made: {one}",
            partial(at, one, edited_before(hours)),
            code=0,
            endpoint=one,
        )
        for one in (SEARCH, COMMENTS, WORKLOGS)
        for hours in (1, 300)
    ),
    # The date of all answers.
    *(
        Case(f"answers dated {days} days back", partial(everywhere, dated(days)), code=0)
        for days in (1, 5, 12, 25, 40, 400, -3, -20)
    ),
    # Comments that issues do not have, as a search says.
    *(
        Case(
            f"a search that gives {most} comments of each issue",
            partial(at, SEARCH, embedded(most)),
            code=0,
            endpoint=SEARCH,
        )
        for most in (0, 1)
    ),
    # Lists that end early wherever they are asked for, and not at a round number.
    *(
        Case(
            f"every search ends after {most} issues",
            partial(cut_at, most),
            f"the list ends after {most} issues and lacks the oldest",
            ALL,
            endpoint=SEARCH,
        )
        for most in (5, 37, 60)
    ),
    Case(
        "five issues of each page, without a word",  # as a gateway of Atlassian's does (reports of 2026)
        lambda: at(SEARCH, listed(lambda found: found[:5])),
        code=0,
        endpoint=SEARCH,
    ),
    # Times that no act can have, so that no day has them.
    *(
        Case(
            f"a time of the future: {one}",
            partial(at, one, later("created", "updated")),
            "unreadable elements",
            costs,
            endpoint=one,
        )
        for one, costs in ((SEARCH, ALL), (CHANGELOGS, ALL), (COMMENTS, {"comment"}), (WORKLOGS, {"worklog"}))
    ),
    Case("work that is to begin in the future", lambda: at(WORKLOGS, later("started")), code=0, endpoint=WORKLOGS),
    # Nobody did anything.
    *(
        Case(
            f"nobody did it, {how}: {one}",
            partial(at, one, change(*names)),
            f"who made the {kind} could not be read: Jira names nobody for any of them",
            {*FACTS[one]},
            endpoint=one,
        )
        for how, change in {"null": nulled, "left out": dropped}.items()
        for one, names, kind in (
            (SEARCH, ("creator",), "new issues"),
            (CHANGELOGS, ("author",), "changes"),
            (WORKLOGS, ("author", "updateAuthor"), "worklogs"),
            (COMMENTS, ("author", "updateAuthor"), "comments"),
        )
    ),
    Case(
        "nobody commented",
        lambda: everywhere(nulled("author")),
        "who made the comments could not be read: Jira names nobody for any of them",
        ALL,
    ),
    # People.
    *(
        Case(
            f"authors without an account id: {one}",
            partial(at, one, dropped("accountId")),
            "unreadable elements",
            ALL,
            endpoint=one,
        )
        for one in (SEARCH, CHANGELOGS, COMMENTS, WORKLOGS)
    ),
    Case(
        "changes without their items",
        lambda: at(CHANGELOGS, nulled("items")),
        "unreadable elements",
        FACTS[CHANGELOGS],
        endpoint=CHANGELOGS,
    ),
    # Times.
    Case(
        "offsets with a colon",
        lambda: everywhere(times(lambda one: re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", one))),
        code=0,
    ),
    Case(
        "what was moved here is from 1999",
        lambda: everywhere(times(lambda one: f"1999{one[4:]}" if one < BEFORE else one)),
        code=0,
    ),
    Case(
        "times without seconds",
        lambda: at(WORKLOGS, times(lambda one: one[:16] + one[23:])),
        "unreadable elements",
        {"worklog"},
        endpoint=WORKLOGS,
    ),
]
