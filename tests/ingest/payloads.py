"""Small webhook bodies, as Jira Cloud sends them in 2026."""

import json
from typing import Any

from ingest.handler import Translation, translate

ANN = "5b10a2844c20165700ede21g"
BOB = "557058:00000000-0000-4000-8000-000000000001"
CREATED = "2026-03-01T09:00:00.500+0100"
CREATED_MS = 1_772_352_000_500
UPDATED = "2026-03-01T09:05:00.750+0100"
UPDATED_MS = 1_772_352_300_750
STAMP = 1_772_352_300_801
RECEIVED = 1_772_352_301_000

Json = dict[str, Any]


def person(account_id: str, account_type: str = "atlassian") -> Json:
    return {"accountId": account_id, "accountType": account_type, "displayName": "secret name", "active": True}


def issue(**fields: Any) -> Json:
    return {"id": "10001", "key": "ACME-1", "fields": {"summary": "secret text", "project": {"key": "ACME"}, **fields}}


def comment(event: str, **changes: Any) -> Json:
    entity = {
        "id": "77",
        "author": person(ANN),
        "updateAuthor": person(BOB),
        "body": "secret text",
        "created": CREATED,
        "updated": UPDATED,
    }
    return {"timestamp": STAMP, "webhookEvent": event, "comment": {**entity, **changes}, "issue": issue()}


def worklog(event: str, **changes: Any) -> Json:
    entity = comment(event)["comment"]
    return {"timestamp": STAMP, "webhookEvent": event, "worklog": {**entity, "issueId": "10001", **changes}}


def issue_event(event: str, **parts: Any) -> Json:
    return {
        "timestamp": STAMP,
        "webhookEvent": event,
        "issue_event_type_name": "issue_updated",
        "user": person(ANN),
        "issue": issue(created=CREATED, updated=UPDATED),
        "changelog": {"id": "900", "items": [{"field": "Status", "fieldId": "status", "toString": "secret text"}]},
        **parts,
    }


def encoded(payload: object) -> bytes:
    return json.dumps(payload).encode()


def told(payload: object, flow: str = "") -> Translation:
    return translate("acme", encoded(payload), flow, RECEIVED)


def without(payload: Json, *path: str) -> Json:
    """Return a copy that lacks one key."""
    copy: Json = json.loads(json.dumps(payload))
    part = copy
    for name in path[:-1]:
        part = part[name]
    del part[path[-1]]
    return copy


def changed(payload: Json, value: object, *path: str) -> Json:
    """Return a copy with one value replaced."""
    copy: Json = json.loads(json.dumps(payload))
    part = copy
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return copy
