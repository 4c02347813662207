"""One issue, many issues, and their changelogs."""

import base64
from typing import Any

from simulator.life.act import Act
from simulator.rest.answer import JiraError, missing
from simulator.rest.ask import Ask
from simulator.rest.scribe import RestScribe
from simulator.rest.snapshot import Snapshot

MOST_HISTORIES = 10_000
PAGE = 100
"""Changelog entries and comments a page of one issue holds at most (measured)."""


def the_issue(ask: Ask) -> Snapshot:
    """Return the issue named in the path.

    Raises:
        JiraError: 404, there is none (any more).
    """
    found = ask.site.issue(ask.path["issue"])
    if found is None:
        raise missing()
    return found


def get_issue(ask: Ask, scribe: RestScribe) -> dict[str, Any]:
    """Answer GET /issue/{issue}: all fields unless some are named."""
    return scribe.issue(the_issue(ask), ask.listed("fields") or ["*all"], ask.listed("expand"))


def bulk_issues(ask: Ask, scribe: RestScribe) -> dict[str, Any]:
    """Answer POST /issue/bulkfetch: at most 100 issues; those that are gone are named as errors."""
    names = ask.listed("issueIdsOrKeys")
    if not 0 < len(names) <= 100:
        raise JiraError(400, "The number of issues to fetch must be 1 to 100.")
    fields, expand = ask.listed("fields") or ["*navigable"], ask.listed("expand")
    issues, errors = [], []
    for name in dict.fromkeys(names):
        found = ask.site.issue(name)
        if found is None:
            errors.append({"id": name, "errorMessage": "Issue does not exist or you do not have permission to see it."})
        else:
            issues.append(scribe.issue(found, fields, expand))
    return {"issues": issues, "issueErrors": errors}


def changelog(ask: Ask, scribe: RestScribe) -> dict[str, Any]:
    """Answer GET /issue/{issue}/changelog: oldest first, at most 100."""
    found = the_issue(ask)
    start, size = ask.number("startAt", 0), ask.number("maxResults", PAGE, PAGE, 1)
    page = found.histories[start : start + size]
    link = f"{scribe.base}/issue/{ask.path['issue']}/changelog?maxResults={size}&startAt="
    answer: dict[str, Any] = {"self": f"{link}{start}", "maxResults": size, "startAt": start}
    last = start + size >= len(found.histories)
    answer |= {"total": len(found.histories), "isLast": last, "values": [scribe.history(act) for act in page]}
    return answer if last else answer | {"nextPage": f"{link}{start + size}"}


def changelog_list(ask: Ask, scribe: RestScribe) -> dict[str, Any]:
    """Answer POST /issue/{issue}/changelog/list: the entries of these ids."""
    wanted = set(ask.ids("changelogIds"))
    found = [act for act in the_issue(ask).histories if act.history in wanted]
    histories = [scribe.history(act) for act in found]
    return {"startAt": 0, "maxResults": len(wanted), "total": len(found), "histories": histories}


def bulk_changelogs(ask: Ask, scribe: RestScribe) -> dict[str, Any]:
    """Answer POST /changelog/bulkfetch: oldest first, then by issue; an issue may span pages.

    Issues without history, and those that are gone, are absent; there is no filter by date.
    """
    names, fields = ask.listed("issueIdsOrKeys"), set(ask.listed("fieldIds"))
    if not 0 < len(names) <= 1_000:
        raise JiraError(400, "The number of issues must be 1 to 1000.")
    if len(fields) > 10:
        raise JiraError(400, "At most 10 field ids may be given.")
    size = ask.number("maxResults", 1_000, least=1)
    if size > MOST_HISTORIES:
        raise JiraError(400, f"maxResults must be at most {MOST_HISTORIES}.")
    start = _place(str(ask.body.get("nextPageToken") or ""))
    found: list[Act] = []
    for issue in {one.issue.id: one for name in names if (one := ask.site.issue(name))}.values():
        found += [act for act in issue.histories if not fields or fields & {item[1] for item in act.items}]
    found.sort(key=lambda act: (act.history_at, act.issue.id))
    grouped: dict[int, list[dict[str, Any]]] = {}
    for act in found[start : start + size]:
        grouped.setdefault(act.issue.id, []).append(scribe.history(act, _created(ask, act)))
    logs = [{"issueId": str(number), "changeHistories": histories} for number, histories in grouped.items()]
    after = base64.urlsafe_b64encode(str(start + size).encode()).decode() if start + size < len(found) else None
    return {"issueChangeLogs": logs, "nextPageToken": after}


def _created(ask: Ask, act: Act) -> int | str | None:
    form = ask.site.faults.bulk_created
    return None if form == "iso" else act.history_at if form == "epoch_ms" else str(act.history_at)


def _place(token: str) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise JiraError(400, "Next page token is invalid.") from error
