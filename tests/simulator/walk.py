"""Walks the REST API like the most patient of clients, and works out by itself which facts it tells."""

from datetime import datetime
from typing import Any

import httpx

V3 = "/rest/api/3"
Known = dict[str, tuple[str, int]]
"""event_key to (account id, epoch ms)."""


def ms(text: str) -> int:
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")
    return round(moment.timestamp() * 1000)


async def search_all(client: httpx.AsyncClient, jql: str, **body: Any) -> list[dict[str, Any]]:
    issues: list[dict[str, Any]] = []
    token = None
    while True:
        asked = {"jql": jql, **body} | ({"nextPageToken": token} if token else {})
        page = (await client.post(f"{V3}/search/jql", json=asked)).raise_for_status().json()
        issues += page["issues"]
        token = page.get("nextPageToken")
        if page.get("isLast") or not token:
            return issues


async def pages(client: httpx.AsyncClient, path: str, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        answer = await client.get(path, params={"startAt": len(found)})
        if answer.status_code == 404:
            return []
        page = answer.raise_for_status().json()
        found += page[name]
        if len(found) >= page["total"]:
            return found


async def rest_facts(client: httpx.AsyncClient) -> Known:
    """Everything REST tells, over all issues, with a call per issue for each kind of thing."""
    facts: Known = {}
    for issue in await search_all(client, "created >= '2000-01-01'", fields=["creator", "created"], maxResults=100):
        number, fields = issue["id"], issue["fields"]
        facts[f"issue:{number}:created"] = (fields["creator"]["accountId"], ms(fields["created"]))
        for history in await pages(client, f"{V3}/issue/{number}/changelog", "values"):
            _history(facts, history)
        for comment in await pages(client, f"{V3}/issue/{number}/comment", "comments"):
            _entry(facts, "comment", comment)
        for worklog in await pages(client, f"{V3}/issue/{number}/worklog", "worklogs"):
            _entry(facts, "worklog", worklog)
    return facts


def _entry(facts: Known, family: str, entry: dict[str, Any]) -> None:
    facts[f"{family}:{entry['id']}:created"] = (entry["author"]["accountId"], ms(entry["created"]))
    if entry["updated"] != entry["created"]:
        updated = ms(entry["updated"])
        facts[f"{family}:{entry['id']}:updated:{updated}"] = (entry["updateAuthor"]["accountId"], updated)


def _history(facts: Known, history: dict[str, Any]) -> None:
    seen = (history["author"]["accountId"], ms(history["created"]))
    facts[f"history:{history['id']}"] = seen
    for item in history["items"]:
        if item["to"] is None and item["field"] == "WorklogId":
            facts[f"worklog:{item['from']}:deleted"] = seen
        if item["to"] is None and item.get("fieldId") == "comment" and item["from"]:
            facts[f"comment:{item['from']}:deleted"] = seen
