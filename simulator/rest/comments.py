"""Comments of an issue, and comments by id."""

from typing import Any

from simulator.rest.answer import JiraError
from simulator.rest.ask import Ask
from simulator.rest.issues import PAGE, the_issue
from simulator.rest.scribe import RestScribe


def comments(ask: Ask, scribe: RestScribe) -> dict[str, Any]:
    """Answer GET /issue/{issue}/comment: at most 100, ordered by creation only."""
    order = ask.query.get("orderBy", "created")
    if order not in ("created", "+created", "-created", " created"):
        raise JiraError(400, f"Cannot order by '{order}'. Only 'created' is supported.")
    found = the_issue(ask)
    entries = found.comments[::-1] if order == "-created" else found.comments
    start, size = ask.number("startAt", 0), ask.number("maxResults", PAGE, PAGE)
    page = [scribe.comment(entry, found.issue.id) for entry in entries[start : start + size]]
    return {"startAt": start, "maxResults": size, "total": len(entries), "comments": page}


def comment_list(ask: Ask, scribe: RestScribe) -> dict[str, Any]:
    """Answer POST /comment/list: up to 1000 ids; those that are gone are left out."""
    found = []
    for number in dict.fromkeys(ask.ids("ids")):
        issue = ask.site.holder(number)
        if issue:
            found += [scribe.comment(entry, issue.issue.id) for entry in issue.comments if entry.id == number]
    return {"maxResults": 1_000, "startAt": 0, "total": len(found), "isLast": True, "values": found}
