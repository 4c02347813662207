"""The same act through both readers: as a webhook tells it and as REST does, each written from one dict of Jira's."""

import json
from dataclasses import dataclass
from typing import Any

import msgspec

from ingest.handler import translate
from reconcile.backfill.changelogs import history_facts
from reconcile.backfill.context import UNREADABLE_ERRORS, WindowFacts, creation, entity_facts
from reconcile.client.paging import decoded_elements
from reconcile.responses import ENTITY, HISTORY
from reconcile.state.window import Window
from rollcall.errors import NotUnderstoodError
from rollcall.facts import read_issue
from rollcall.identity import EntityKind
from rollcall.jira.values import EARLIEST_MS, LATEST_MS, IssueRef, decode_json, id_or_none, id_or_zero
from rollcall.records import Activity

Json = dict[str, Any]
ANN = {"accountId": "5b10a2844c20165700ede21g", "accountType": "atlassian", "displayName": "Ann", "active": True}
BOB = {"accountId": "557058:00000000-0000-4000-8000-000000000001", "accountType": "app", "displayName": "Bob"}
CREATED, UPDATED = "2026-11-01T10:00:00.123+0100", "2026-11-01T11:00:00.456+0100"
LATE = LATEST_MS - 1
FACTS = WindowFacts("acme", Window(EARLIEST_MS, LATEST_MS), LATE)


@dataclass(frozen=True)
class Reading:
    """What a reader made of something: facts, without what tells the readers apart, and how often it refused."""

    facts: tuple[Activity, ...]
    refused: int = 0


def comment(**changes: Any) -> Json:
    entity = {"id": "77", "author": ANN, "updateAuthor": BOB, "created": CREATED, "updated": UPDATED, "body": "x"}
    return {**entity, **changes}


def worklog(**changes: Any) -> Json:
    return {**comment(), "issueId": "10001", "started": "2026-10-01T10:00:00.000+0000", **changes}


def issue(**changes: Any) -> Json:
    fields = {"project": {"key": "ACME"}, "created": CREATED, "updated": UPDATED, "creator": ANN}
    return {"id": "10001", "key": "ACME-1", "fields": fields, **changes}


def history(*items: object, **changes: Any) -> Json:
    return {"id": "900", "author": ANN, "created": UPDATED, "items": list(items), **changes}


_PAGE = msgspec.json.Decoder(list[msgspec.Raw])


def raw(value: object) -> msgspec.Raw:
    """Return it as the element of a page that the client has decoded."""
    return decode_json(_PAGE, json.dumps([value]).encode())[0]


def unmarked(facts: list[Activity]) -> tuple[Activity, ...]:
    return tuple(msgspec.structs.replace(fact, source="webhook", received_at=EARLIEST_MS) for fact in facts)


def by_webhook(*bodies: Json) -> Reading:
    """Read bodies, each for itself."""
    facts: list[Activity] = []
    refused = 0
    for body in bodies:
        try:
            facts += translate("acme", json.dumps(body).encode(), "", LATE).facts
        except NotUnderstoodError:
            refused += 1
    return Reading(unmarked(facts), refused)


def entity_by_webhook(kind: EntityKind, entity: Json, place: Json | None = None, **parts: Any) -> Reading:
    """Read a comment or worklog added, and edited if it says when."""
    body: Json = {kind: entity, **parts}
    if kind == "comment":
        body["issue"] = issue() if place is None else place
    created, updated = ({**body, "webhookEvent": f"{kind}_{act}"} for act in ("created", "updated"))
    return by_webhook(created, updated) if entity.get("updated") is not None else by_webhook(created)


def entity_by_rest(kind: EntityKind, entity: Json, place: Json | None = None) -> Reading:
    """Read a comment of a known issue, or a worklog of an issue that the search did not find."""
    refused: list[int] = []
    facts: list[Activity] = []
    for found in decoded_elements(ENTITY, [raw(entity)], lambda: refused.append(1)):
        ref = read_issue(raw(issue() if place is None else place)).ref()
        if kind == "worklog":
            ref = IssueRef(id_or_zero(id_or_none(found.issueId)))
        facts += entity_facts(FACTS, kind, found, ref, lambda: refused.append(1))
    return Reading(unmarked(facts), len(refused))


def creation_by_webhook(found: Json, **parts: Any) -> Reading:
    fields = found.get("fields")
    creator = fields.get("creator") if isinstance(fields, dict) else None
    return by_webhook({"webhookEvent": "jira:issue_created", "user": creator, "issue": found, **parts})


def creation_by_rest(found: Json) -> Reading:
    one = read_issue(raw(found))
    try:
        fact = creation(FACTS, one, one.ref())
    except UNREADABLE_ERRORS:
        return Reading((), 1)
    return Reading(unmarked([fact] if fact else []))


def change_by_webhook(entry: Json, place: Json | None = None, **parts: Any) -> Reading:
    """Read a change; the times of both readers differ by milliseconds, here they are set to one."""
    found = issue() if place is None else place
    found = {**found, "fields": {**found["fields"], "updated": entry.get("created")}}
    changelog = {name: entry[name] for name in ("id", "items") if name in entry}
    event = {"webhookEvent": "jira:issue_updated", "user": entry.get("author")}
    return by_webhook({**event, "issue": found, "changelog": changelog, **parts})


def change_by_rest(entry: Json, place: Json | None = None) -> Reading:
    """Read a changelog entry, without the deletions that it names: no webhook says who deleted."""
    ref = read_issue(raw(issue() if place is None else place)).ref()
    refused: list[int] = []
    facts: list[Activity] = []
    for found in decoded_elements(HISTORY, [raw(entry)], lambda: refused.append(1)):
        try:
            facts += history_facts(FACTS, found, ref).facts
        except UNREADABLE_ERRORS:
            refused.append(1)
    return Reading(unmarked([fact for fact in facts if fact.family == "history"]), len(refused))
