"""Worklogs of an issue, worklogs by id, and the two feeds of what changed."""

from typing import Any

from simulator.rest.ask import Ask
from simulator.rest.issues import the_issue
from simulator.rest.scribe import RestScribe

PAGE = 1_000


def worklogs(ask: Ask, scribe: RestScribe) -> dict[str, Any]:
    """Answer GET /issue/{issue}/worklog: 5000 a page; the filters are on ``started``, not on when it was logged."""
    found = the_issue(ask)
    after, before = ask.number("startedAfter", -1, least=-1), ask.number("startedBefore", 1 << 62)
    entries = [entry for entry in found.worklogs if after < entry.started < before]
    start, size = ask.number("startAt", 0), ask.number("maxResults", 5_000, 5_000)
    page = [scribe.worklog(entry, found.issue.id) for entry in entries[start : start + size]]
    return {"startAt": start, "maxResults": size, "total": len(entries), "worklogs": page}


def worklog_list(ask: Ask, scribe: RestScribe) -> list[dict[str, Any]]:
    """Answer POST /worklog/list: up to 1000 ids; those that are gone are left out."""
    wanted = dict.fromkeys(ask.ids("ids"))
    written = []
    for number in wanted:
        issue = ask.site.holder(number)
        if issue:
            written += [scribe.worklog(entry, issue.issue.id) for entry in issue.worklogs if entry.id == number]
    return written


def updated(ask: Ask, scribe: RestScribe) -> dict[str, Any]:
    """Answer GET /worklog/updated: ids created or edited since, oldest first."""
    return _feed(ask, scribe, deleted=False)


def deleted(ask: Ask, scribe: RestScribe) -> dict[str, Any]:
    """Answer GET /worklog/deleted: ids and times, and nobody's name."""
    return _feed(ask, scribe, deleted=True)


def _feed(ask: Ask, scribe: RestScribe, *, deleted: bool) -> dict[str, Any]:
    """Write a page of a feed. ``since`` is inclusive, and a page may cut through a millisecond.

    Jira Cloud: 1000 a page, nothing of the last minute, and ``nextPage`` on the site's own host. Atlassian's example
    shows the first value at ``since`` itself, and ``nextPage`` on the last page too.
    """
    since = ask.number("since", 0)
    found = ask.site.feed(deleted=deleted, since=since)
    size = PAGE
    if ask.site.faults.feed_ties == "whole":
        while size < len(found) and found[size][0] == found[size - 1][0]:
            size += 1
    page = found[:size]
    until = page[-1][0] if page else since
    link = f"{scribe.base}/worklog/{'deleted' if deleted else 'updated'}?since="
    return {
        "values": [{"worklogId": number, "updatedTime": at, "properties": []} for at, number in page],
        "since": since,
        "until": until,
        "self": f"{link}{since}",
        "nextPage": f"{link}{until}",
        "lastPage": size >= len(found),
    }
