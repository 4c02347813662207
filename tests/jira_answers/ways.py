"""Ways in which Jira, a proxy or a gateway answers badly, by name: each for good unless it says that it passes.

What happened: statuses, pauses, bodies, elements, lists, people and times.
"""

from functools import partial

import httpx

from .directory_ways import OF_THE_DIRECTORY
from .faults import (
    ALL,
    CHANGELOGS,
    COMMENTS,
    DELETED,
    ERROR,
    FACTS,
    FIGURES,
    GROUPS,
    IDS,
    MEMBERS,
    NO_JSON,
    ODD,
    PAGES,
    PRODUCTS,
    PROJECTS,
    ROLES,
    SEARCH,
    UPDATED,
    USERS,
    WORKLOGS,
    Case,
    at,
    body,
    content,
    costs,
    cut_at,
    cycle_of_two,
    dropped,
    everywhere,
    first,
    kept,
    listed,
    never_gives,
    only_of,
    sets_cookies,
    status,
    text,
    values,
    without,
)
from .in_process import with_body
from .odd_part_ways import ODD_PARTS
from .well_looking_ways import WELL_LOOKING

WAYS = [
    # Statuses that pass, and statuses that stay.
    *(Case(f"{code} in passing", partial(first, 1, everywhere(status(code))), code=0) for code in (408, 425)),
    *(Case(f"{code} in passing", partial(first, 1, everywhere(status(code))), code=0) for code in (507, 520)),
    *(Case(f"{code} in passing", partial(first, 2, everywhere(status(code))), code=0) for code in (522, 530)),
    Case(
        "402",
        lambda: at(COMMENTS, status(402)),
        "comment: Jira answers 402",
        {"comment"},
        endpoint=COMMENTS,
    ),
    Case(
        "451",
        lambda: at(UPDATED, status(451)),
        "updated: Jira answers 451",
        {"worklog"},
        endpoint=UPDATED,
    ),
    Case(
        "423",
        lambda: at(CHANGELOGS, status(423)),
        "bulkfetch: Jira answers 423",
        FACTS[CHANGELOGS],
        endpoint=CHANGELOGS,
    ),
    Case(
        "501",
        lambda: at(DELETED, status(501)),
        "deleted: Jira answers 501",
        {"worklog"},
        endpoint=DELETED,
    ),
    Case(
        "304",
        lambda: at(UPDATED, status(304, b"")),
        "updated: Jira answers 304(?!, a redirect)",
        {"worklog"},
        endpoint=UPDATED,
    ),
    Case(
        "a redirect to http",
        lambda: at(COMMENTS, status(302, location="http://acme.atlassian.net/rest/api/3/issue/1/comment")),
        r"302, a redirect, which is never followed \(it leads to acme\.atlassian\.net\)",
        {"comment"},
        endpoint=COMMENTS,
    ),
    Case(
        "a redirect to a login",
        lambda: at(GROUPS, status(307, location="https://id.atlassian.com/login?continue=x")),
        r"307, a redirect, which is never followed \(it leads to id\.atlassian\.com\)",
        endpoint=GROUPS,
    ),
    # Too many requests, in forms old and new.
    *(
        Case(
            f"429 in passing, {name}",
            partial(first, 1, everywhere(status(429, b"", **after))),
            code=0,
        )
        for name, after in {
            "a date of the past": {"retry_after": "Mon, 01 Jan 1990 00:00:00 GMT"},
            "a negative pause": {"retry_after": "-5"},
            "no number": {"retry_after": "1e9"},
            "new headers": {"RateLimit": '"burst";r=0;t=1', "RateLimit_Policy": '"burst";q=100;w=1'},
        }.items()
    ),
    *(
        Case(
            f"429 for good, {name}",
            partial(at, CHANGELOGS, status(429, b"", **after)),
            words,
            FACTS[CHANGELOGS],
            endpoint=CHANGELOGS,
        )
        for name, after, words in (
            ("nothing", {}, "bulkfetch: Jira answers 429"),
            ("an enormous pause", {"retry_after": "9" * 400}, "longer than reconcile.wait_max"),
            ("the end of time", {"retry_after": "Fri, 31 Dec 9999 23:59:59 GMT"}, "longer than reconcile.wait_max"),
        )
    ),
    Case(
        "429 for every comment",
        lambda: at(COMMENTS, status(429)),
        "comment: Jira answers 429",
        {"comment"},
        endpoint=COMMENTS,
    ),
    Case(
        "a day's pause",
        lambda: at(UPDATED, status(503, retry_after="86400")),
        "wait 1440 minutes",
        {"worklog"},
        endpoint=UPDATED,
    ),
    # Bodies of another shape.
    *(
        Case(
            f"an object without its list: {one}",
            partial(at, one, content(b"{}")),
            "required field",
            costs(one),
            most=500,
            endpoint=one,
        )
        for one in PAGES
    ),
    *(
        Case(
            f"an error with status 200: {one}",
            partial(at, one, content(ERROR)),
            "it says: Something is off",
            costs(one),
            most=500,
            endpoint=one,
        )
        for one in (*PAGES, USERS, PRODUCTS, WORKLOGS, ROLES)
    ),
    *(
        Case(
            f"null for a list: {one}",
            partial(at, one, listed(lambda _: None)),
            "unknown form",
            costs(one),
            most=500,
            endpoint=one,
        )
        for one in (SEARCH, CHANGELOGS, COMMENTS, UPDATED, WORKLOGS, USERS, MEMBERS)
    ),
    *(
        Case(
            f"an object for a list: {one}",
            partial(at, one, listed(lambda _: {"1": {}})),
            "unknown form",
            costs(one),
            most=500,
            endpoint=one,
        )
        for one in (IDS, CHANGELOGS, WORKLOGS, PRODUCTS, PROJECTS)
    ),
    *(
        Case(
            f"{name}: {one}",
            partial(at, one, given),
            NO_JSON,
            costs(one),
            endpoint=one,
        )
        for one in (CHANGELOGS, UPDATED, GROUPS)
        for name, given in {
            "a login page": content(b"<html>Log in to continue</html>", content_type="text/html"),
            "nothing, 204": status(204, b""),
            "NaN": lambda given: with_body(given, given.content[:-1] + b', "x": NaN}'),
            "a comment behind it": lambda given: with_body(given, given.content + b"<!-- cached -->"),
            "brotli": content(b"\x1b\x0e\x00\xf8", content_encoding="br"),
        }.items()
    ),
    # What the transfer does to it.
    Case(
        "a transfer that is cut",
        lambda: at(CHANGELOGS, lambda _: httpx.RemoteProtocolError("cut")),
        "was cut",
        FACTS[CHANGELOGS],
        endpoint=CHANGELOGS,
    ),
    Case(
        "a connection that is reset",
        lambda: first(2, everywhere(lambda _: httpx.ReadError("reset"))),
        code=0,
    ),
    Case(
        "a mark of byte order",
        lambda: everywhere(lambda given: with_body(given, b"\xef\xbb\xbf" + given.content)),
        code=0,
    ),
    Case(
        "UTF-16",
        lambda: everywhere(lambda given: with_body(given, given.content.decode(errors="replace").encode("utf-16"))),
        code=0,
    ),
    Case(
        "names in Latin-1",
        lambda: at(
            USERS, lambda given: with_body(given, given.content.replace(b'"displayName":"', b'"displayName":"\xe4'))
        ),
        code=0,
        endpoint=USERS,
    ),
    Case(
        "cookies of a dead session",
        sets_cookies,
        code=0,
    ),
    # Single values of another type.
    Case(
        "numbers as text",
        lambda: everywhere(values(lambda _, one: str(one) if type(one) is int else one)),
        code=0,
    ),
    Case(
        "numbers as floats",
        lambda: everywhere(values(lambda name, one: float(one) if name in FIGURES else one)),
        code=0,
    ),
    Case(
        "truth as text", lambda: everywhere(values(lambda _, one: text(one) if isinstance(one, bool) else one)), code=0
    ),
    Case(
        "text as numbers",
        lambda: everywhere(values(lambda _, one: int(one) if isinstance(one, str) and one.isdigit() else one)),
        code=0,
    ),
    # Elements.
    Case(
        "everything twice",
        lambda: everywhere(listed(lambda found: found + found)),
        code=0,
    ),
    Case(
        "everything in another order",
        lambda: everywhere(listed(lambda found: found[::-1])),
        code=0,
    ),
    *(
        Case(
            f"odd elements: {one}",
            partial(at, one, listed(lambda found: found and [*ODD, *found])),
            words,
            most=500,
            endpoint=one,
        )
        for one, words in {
            SEARCH: "unreadable elements",
            CHANGELOGS: "unreadable elements",
            COMMENTS: "unreadable elements",
            UPDATED: "unreadable elements",
            WORKLOGS: "unreadable elements",
            USERS: "5 users: GET /users/search: they have an unknown form",
            MEMBERS: "unknown form",
        }.items()
    ),
    # Lists that say too little or too much of themselves.
    Case(
        "nobody says which page is the last",
        lambda: everywhere(without("isLast", "lastPage")),
        code=0,
    ),
    Case(
        "every page says that it is the last",
        lambda: everywhere(values(lambda name, one: True if name in ("isLast", "lastPage") else one)),
        code=0,
    ),
    *(
        Case(
            f"no page is the last: {one}",
            partial(at, one, values(lambda name, one: False if name in ("isLast", "lastPage") else one)),
            words,
            costs(one),
            code,
            most=400,
            endpoint=one,
        )
        for one, words, code in (
            (GROUPS, "", 0),
            (MEMBERS, "", 0),
            (PROJECTS, "", 0),
            (UPDATED, "repeats a page", 3),
            (SEARCH, "", 0),
        )
    ),
    Case("odd elements between ids", lambda: at(IDS, listed(lambda found: [*ODD, *found])), code=0, endpoint=IDS),
    Case(
        "two pages in turns",
        cycle_of_two,
        code=0,
        endpoint=SEARCH,
    ),
    Case(
        "comments without a total",
        lambda: at(COMMENTS, without("total", "maxResults", "startAt")),
        code=0,
        endpoint=COMMENTS,
    ),
    Case(
        "a total below what comes",
        lambda: at(COMMENTS, body(lambda found: {**found, "total": 0})),
        code=0,
        endpoint=COMMENTS,
    ),
    Case(
        "a total above what comes",
        lambda: at(COMMENTS, body(lambda found: {**found, "total": 99})),
        r"comments of (\d+ issues:|issue \d+) .*Jira counts more comments than it gives",
        endpoint=COMMENTS,
    ),
    Case(
        "comments left out of a page",
        lambda: never_gives(COMMENTS, "id"),
        r"comments of issue \d+ could not be read",
        {"comment"},
        endpoint=COMMENTS,
    ),
    Case(
        "a worklog that a change names and nothing gives",
        lambda: never_gives(WORKLOGS, "id"),
        r"worklog \d+ could not be read: a change of its issue names it",
        {"worklog"},
        endpoint=WORKLOGS,
    ),
    Case(
        "half of a long list of worklogs",
        lambda: first(1, only_of(12)),
        code=0,
        endpoint=WORKLOGS,
    ),
    Case(
        "no worklog at all, 200",
        lambda: only_of(0),
        r"(\d+ worklogs:|worklog \d+) .*a change of its issue names it",
        {"worklog"},
        endpoint=WORKLOGS,
    ),
    *(
        Case(
            f"changes left out, {name}",
            partial(at, CHANGELOGS, listed(left)),
            "all changes could not be read: POST /changelog/bulkfetch leaves some out",
            endpoint=CHANGELOGS,
        )
        for name, left in {
            "every issue": lambda _: [],
            "every other issue": lambda found: found[::2],
            "the newest of each": lambda found: [kept(one, slice(0, -1)) for one in found],
            "all but the newest of each": lambda found: [kept(one, slice(-1, None)) for one in found],
        }.items()
    ),
    Case(
        "changes left out, one issue",
        lambda: never_gives(CHANGELOGS, "issueId"),
        "all changes could not be read: POST /changelog/bulkfetch leaves some out",
        endpoint=CHANGELOGS,
    ),
    Case(
        "every search ends after 50 issues",
        lambda: cut_at(50),
        "the list ends after 50 issues and lacks the oldest",
        ALL,
        endpoint=SEARCH,
    ),
    Case(
        "no search finds anything",
        lambda: cut_at(0),
        "Jira lists no issue at all",
        ALL,
        endpoint=SEARCH,
    ),
    Case(
        "a list of ids without ids",
        lambda: at(IDS, dropped("id")),
        "Jira lists issues without their ids",
        endpoint=IDS,
    ),
]

WAYS += [*OF_THE_DIRECTORY, *WELL_LOOKING, *ODD_PARTS]
