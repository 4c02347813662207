"""Works out by itself which facts a webhook body tells, by the rules of DESIGN.md section 3."""

import re
from typing import Any

from simulator import SiteConfig
from simulator.life.truth import truth

from .walk import Known, ms

_ECHO = re.compile("comment|work_?log", re.IGNORECASE)


def webhook_facts(body: dict[str, Any], flow: str) -> Known:
    event = body["webhookEvent"]
    if event.startswith(("comment_", "worklog_")):
        family, _, done = event.partition("_")
        return _entry(family, done, body, flow)
    if event == "jira:issue_updated":
        return _updated(body)
    if event in ("jira:issue_created", "jira:issue_deleted"):
        done = event.rpartition("_")[2]
        at = ms(body["issue"]["fields"]["created"]) if done == "created" else body["timestamp"]
        return {f"issue:{body['issue']['id']}:{done}": (body["user"]["accountId"], at)}
    return {}


def _entry(family: str, done: str, body: dict[str, Any], flow: str) -> Known:
    entry = body[family]
    if done == "deleted":
        return {} if flow == "Secondary" else {f"{family}:{entry['id']}:deleted": ("", body["timestamp"])}
    if done == "created":
        return {f"{family}:{entry['id']}:created": (entry["author"]["accountId"], ms(entry["created"]))}
    if entry["updated"] == entry["created"]:
        return {}
    at = ms(entry["updated"])
    return {f"{family}:{entry['id']}:updated:{at}": (entry["updateAuthor"]["accountId"], at)}


def _updated(body: dict[str, Any]) -> Known:
    actor, at = body["user"]["accountId"], ms(body["issue"]["fields"]["updated"])
    if "changelog" in body:
        return {f"history:{body['changelog']['id']}": (actor, at)}
    if _ECHO.search(body["issue_event_type_name"]):
        return {}
    return {f"issue:{body['issue']['id']}:updated:{at}:{actor}": (actor, at)}


def webhook_truth(config: SiteConfig) -> Known:
    return {
        fact.event_key: (fact.webhook_actor, fact.webhook_at) for fact in truth(config) if fact.webhook_at is not None
    }
