"""One issue, many issues, their changelogs, comments and worklogs, and the two feeds of changed worklogs."""

import base64
from typing import Any

from simulator.life.act import Act
from simulator.rest.call import ApiCall
from simulator.rest.response import JiraError, not_found
from simulator.rest.rest_serializer import RestSerializer
from simulator.rest.site import Snapshot

MOST_HISTORIES = 10_000
PAGE = 100
"""Changelog entries and comments a page of one issue holds at most (measured)."""


def named_issue(call: ApiCall) -> Snapshot:
    """Return the issue named in the path.

    Raises:
        JiraError: 404, there is none (any more).
    """
    found = call.site.issue(call.path["issue"])
    if found is None:
        raise not_found()
    return found


def get_issue(call: ApiCall, serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /issue/{issue}: all fields unless some are named."""
    return serializer.issue(named_issue(call), call.listed("fields") or ["*all"], call.listed("expand"))


def bulk_issues(call: ApiCall, serializer: RestSerializer) -> dict[str, Any]:
    """Answer POST /issue/bulkfetch: at most 100 issues; those that are gone are named as errors."""
    names = call.listed("issueIdsOrKeys")
    if not 0 < len(names) <= 100:
        raise JiraError(400, "The number of issues to fetch must be 1 to 100.")
    fields, expand = call.listed("fields") or ["*navigable"], call.listed("expand")
    issues, errors = [], []
    for name in dict.fromkeys(names):
        found = call.site.issue(name)
        if found is None:
            errors.append({"id": name, "errorMessage": "Issue does not exist or you do not have permission to see it."})
        else:
            issues.append(serializer.issue(found, fields, expand))
    return {"issues": issues, "issueErrors": errors}


def changelog(call: ApiCall, serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /issue/{issue}/changelog: oldest first, at most 100."""
    found = named_issue(call)
    start, size = call.number("startAt", 0), call.number("maxResults", PAGE, PAGE, 1)
    page = found.histories[start : start + size]
    link = f"{serializer.base}/issue/{call.path['issue']}/changelog?maxResults={size}&startAt="
    answer: dict[str, Any] = {"self": f"{link}{start}", "maxResults": size, "startAt": start}
    last = start + size >= len(found.histories)
    answer |= {"total": len(found.histories), "isLast": last, "values": [serializer.history(act) for act in page]}
    return answer if last else answer | {"nextPage": f"{link}{start + size}"}


def changelog_list(call: ApiCall, serializer: RestSerializer) -> dict[str, Any]:
    """Answer POST /issue/{issue}/changelog/list: the entries of these ids."""
    requested = set(call.ids("changelogIds"))
    found = [act for act in named_issue(call).histories if act.history in requested]
    histories = [serializer.history(act) for act in found]
    return {"startAt": 0, "maxResults": len(requested), "total": len(found), "histories": histories}


def bulk_changelogs(call: ApiCall, serializer: RestSerializer) -> dict[str, Any]:
    """Answer POST /changelog/bulkfetch: oldest first, then by issue; an issue may span pages.

    Issues without history, and those that are gone, are absent; there is no filter by date.
    """
    names, fields = call.listed("issueIdsOrKeys"), set(call.listed("fieldIds"))
    if not 0 < len(names) <= 1_000:
        raise JiraError(400, "The number of issues must be 1 to 1000.")
    if len(fields) > 10:
        raise JiraError(400, "At most 10 field ids may be given.")
    size = call.number("maxResults", 1_000, least=1)
    if size > MOST_HISTORIES:
        raise JiraError(400, f"maxResults must be at most {MOST_HISTORIES}.")
    start = _place(str(call.body.get("nextPageToken") or ""))
    found: list[Act] = []
    for issue in {one.issue.id: one for name in names if (one := call.site.issue(name))}.values():
        if issue.issue.id in call.site.faults.left_out:
            continue
        histories = issue.histories[: call.site.faults.most_entries or None]
        found += [act for act in histories if not fields or fields & {item[1] for item in act.items}]
    found.sort(key=lambda act: (act.history_at, act.issue.id))
    grouped: dict[int, list[dict[str, Any]]] = {}
    for act in found[start : start + size]:
        grouped.setdefault(act.issue.id, []).append(serializer.history(act, _created(call, act)))
    logs = [{"issueId": str(number), "changeHistories": histories} for number, histories in grouped.items()]
    after = base64.urlsafe_b64encode(str(start + size).encode()).decode() if start + size < len(found) else None
    return {"issueChangeLogs": logs, "nextPageToken": after}


def _created(call: ApiCall, act: Act) -> int | str | None:
    form = call.site.faults.bulk_created
    return None if form == "iso" else act.history_at if form == "epoch_ms" else str(act.history_at)


def _place(token: str) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise JiraError(400, "Next page token is invalid.") from error


def comments(call: ApiCall, serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /issue/{issue}/comment: at most 100, ordered by creation only."""
    order = call.query.get("orderBy", "created")
    if order not in ("created", "+created", "-created", " created"):
        raise JiraError(400, f"Cannot order by '{order}'. Only 'created' is supported.")
    found = named_issue(call)
    entries = found.comments[::-1] if order == "-created" else found.comments
    start, size = call.number("startAt", 0), call.number("maxResults", PAGE, PAGE)
    page = [serializer.comment(entry, found.issue.id) for entry in entries[start : start + size]]
    return {"startAt": start, "maxResults": size, "total": len(entries), "comments": page}


def comment_list(call: ApiCall, serializer: RestSerializer) -> dict[str, Any]:
    """Answer POST /comment/list: up to 1000 ids; those that are gone are left out."""
    found = []
    for number in dict.fromkeys(call.ids("ids")):
        issue = call.site.holder(number)
        if issue:
            found += [serializer.comment(entry, issue.issue.id) for entry in issue.comments if entry.id == number]
    return {"maxResults": 1_000, "startAt": 0, "total": len(found), "isLast": True, "values": found}


FEED_PAGE = 1_000


def worklogs(call: ApiCall, serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /issue/{issue}/worklog: 5000 a page; the filters are on ``started``, not on when it was logged."""
    found = named_issue(call)
    after, before = call.number("startedAfter", -1, least=-1), call.number("startedBefore", 1 << 62)
    entries = [entry for entry in found.worklogs if after < entry.started < before]
    start, size = call.number("startAt", 0), call.number("maxResults", 5_000, 5_000)
    page = [serializer.worklog(entry, found.issue.id) for entry in entries[start : start + size]]
    return {"startAt": start, "maxResults": size, "total": len(entries), "worklogs": page}


def worklog_list(call: ApiCall, serializer: RestSerializer) -> list[dict[str, Any]]:
    """Answer POST /worklog/list: up to 1000 ids; those that are gone are left out."""
    requested = dict.fromkeys(call.ids("ids"))
    written = []
    for number in requested:
        issue = call.site.holder(number)
        if issue:
            written += [serializer.worklog(entry, issue.issue.id) for entry in issue.worklogs if entry.id == number]
    return written


def updated_worklogs(call: ApiCall, serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /worklog/updated: ids created or edited since, oldest first."""
    return _feed(call, serializer, deleted=False)


def deleted_worklogs(call: ApiCall, serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /worklog/deleted: ids and times, and nobody's name."""
    return _feed(call, serializer, deleted=True)


def _feed(call: ApiCall, serializer: RestSerializer, *, deleted: bool) -> dict[str, Any]:
    """Write a page of a feed. ``since`` is inclusive, and a page may cut through a millisecond.

    Jira Cloud: 1000 a page, nothing of the last minute, and ``nextPage`` on the site's own host. Atlassian's example
    shows the first value at ``since`` itself, and ``nextPage`` on the last page too.
    """
    since = call.number("since", 0)
    found = call.site.feed(deleted=deleted, since=since)
    size = FEED_PAGE
    if call.site.faults.feed_ties == "whole":
        while size < len(found) and found[size][0] == found[size - 1][0]:
            size += 1
    page = found[:size]
    until = page[-1][0] if page else since
    link = f"{serializer.base}/worklog/{'deleted' if deleted else 'updated'}?since="
    return {
        "values": [{"worklogId": number, "updatedTime": at, "properties": []} for at, number in page],
        "since": since,
        "until": until,
        "self": f"{link}{since}",
        "nextPage": f"{link}{until}",
        "lastPage": size >= len(found),
    }
