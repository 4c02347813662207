"""Webhook bodies, event by event, with the keys that captures from Jira Cloud have, and no others.

Modern shape: no ``name``, ``key`` or ``emailAddress``; comment events carry no ``user`` and an issue of six fields;
worklog events carry neither ``user`` nor ``issue``; a creation carries a changelog, a deletion no
``issue_event_type_name``. Bodies of comments and worklogs are plain text.
"""

from collections.abc import Iterator
from typing import Any

from simulator.company.person import Person
from simulator.config import SiteConfig
from simulator.hooks.serializer import Serializer, item_json, time_spent
from simulator.life import field_values
from simulator.life.act import Act, Entry, Family, Issue, attachments, links


class Bodies:
    """Writes the bodies for one site."""

    def __init__(self, config: SiteConfig, people: tuple[Person, ...]) -> None:
        """Prepare for a site."""
        self.config = config
        self.people = people
        self.serializer = Serializer(config)

    def issue(self, act: Act) -> dict[str, Any]:
        """Write a ``jira:issue_*`` event, with the changelog where the act has one."""
        serializer = self.serializer
        if act.kind == "issue_deleted":
            issue = serializer.full(act.issue, deleted=True)
            return {
                "timestamp": act.stamp,
                "webhookEvent": "jira:issue_deleted",
                "user": serializer.person(act.actor),
                "issue": issue,
            }
        created = act.kind == "issue_created"
        body = {
            "timestamp": act.stamp if act.entry is None else act.issue.updated + act.stamp % 82,
            "webhookEvent": "jira:issue_created" if created else "jira:issue_updated",
            "issue_event_type_name": act.event,
            "user": serializer.person(act.actor),
            "issue": serializer.full(act.issue),
        }
        if act.history:
            items = [item_json(item, self.people, historic=not created) for item in act.items]
            body["changelog"] = {"id": str(act.history), "items": items}
        if act.bulk:
            body["bulkOperationMetaData"] = {"bulkOperationId": f"{self.config.seed}-{act.at // 60_000}"}
        return body

    def echo(self, act: Act) -> dict[str, Any]:
        """Write the ``jira:issue_updated`` that only echoes a comment's or worklog's own event."""
        return {
            "timestamp": act.stamp,
            "webhookEvent": "jira:issue_updated",
            "issue_event_type_name": act.event,
            "user": self.serializer.person(act.actor),
            "issue": self.serializer.full(act.issue),
        }

    def entry(self, act: Act) -> dict[str, Any]:
        """Write a ``comment_*`` or ``worklog_*`` event."""
        if act.entry is None:
            raise ValueError(f"an act of kind {act.kind} needs its comment or worklog")
        family, _, done = act.kind.partition("_")
        name = f"{family}_{'updated' if done in ('edited', 'touched') else done}"
        if family == "comment":
            return self._comment(act.stamp, name, act.entry, act.issue)
        return self._worklog(act.stamp, name, act.entry, act.issue)

    def victim(self, act: Act, family: Family, entry: Entry) -> dict[str, Any]:
        """Write the deletion of something that went with its issue."""
        stamp = act.stamp + 200 + entry.id % 900
        if family == "comment":
            return self._comment(stamp, "comment_deleted", entry, act.issue)
        if family == "worklog":
            return self._worklog(stamp, "worklog_deleted", entry, act.issue)
        if family == "attachment":
            return self._attachment(stamp, "attachment_deleted", entry)
        return self._link(stamp, "issuelink_deleted", entry, act.issue)

    def extras(self, act: Act) -> Iterator[dict[str, Any]]:
        """Write the attachment and link events beside a changelog entry; they say nothing new about anybody.

        A deleted attachment is shown as it was made: its uploader, and no word of who deleted it.
        """
        for entry in attachments(act):
            yield self._attachment(act.stamp, "attachment_created", entry)
        for _family, entry in act.victims:
            yield self._attachment(act.stamp, "attachment_deleted", entry)
        for entry in links(act):
            yield self._link(act.stamp, "issuelink_created", entry, act.issue)

    def _attachment(self, stamp: int, name: str, entry: Entry) -> dict[str, Any]:
        serializer = self.serializer
        attachment = {
            "self": f"{serializer.base}/attachment/{entry.id}",
            "id": str(entry.id),
            "filename": "screenshot.png",
            "author": serializer.person(entry.author),
            "created": serializer.time(entry.created),
            "size": 12_345,
            "mimeType": "image/png",
            "content": f"https://{self.config.host}/secure/attachment/{entry.id}/screenshot.png",
        }
        return {"timestamp": stamp, "webhookEvent": name, "attachment": attachment}

    def _link(self, stamp: int, name: str, entry: Entry, issue: Issue) -> dict[str, Any]:
        kind = {"id": 10_003, "name": "Relates", "outwardName": "relates to", "inwardName": "relates to"}
        link = {
            "id": entry.id,
            "sourceIssueId": issue.id,
            "destinationIssueId": entry.text,
            "issueLinkType": kind | {"isSubTaskLinkType": False, "isSystemLinkType": False},
            "systemLink": False,
        }
        return {"timestamp": stamp, "webhookEvent": name, "issueLink": link}

    def _comment(self, stamp: int, name: str, entry: Entry, issue: Issue) -> dict[str, Any]:
        serializer = self.serializer
        comment = {
            "self": f"{serializer.base}/issue/{issue.id}/comment/{entry.id}",
            "id": str(entry.id),
            "author": serializer.person(entry.author),
            "body": field_values.words(entry.text, 8),
            "updateAuthor": serializer.person(entry.editor),
            "created": serializer.time(entry.created),
            "updated": serializer.time(entry.updated),
            "jsdPublic": True,
        }
        body: dict[str, Any] = {
            "timestamp": stamp,
            "webhookEvent": name,
            "comment": comment,
            "issue": serializer.brief(issue),
        }
        if name == "comment_created":
            body["eventType"] = "primaryAction"
        return body

    def _worklog(self, stamp: int, name: str, entry: Entry, issue: Issue) -> dict[str, Any]:
        serializer = self.serializer
        worklog = {
            "self": f"{serializer.base}/issue/{issue.id}/worklog/{entry.id}",
            "author": serializer.person(entry.author),
            "updateAuthor": serializer.person(entry.editor),
            "comment": field_values.words(entry.text, 3) if entry.text % 2 else "",
            "created": serializer.time(entry.created),
            "updated": serializer.time(entry.updated),
            "started": serializer.time(entry.started),
            "timeSpent": time_spent(entry.seconds),
            "timeSpentSeconds": entry.seconds,
            "id": str(entry.id),
            "issueId": str(issue.id),
        }
        body: dict[str, Any] = {"timestamp": stamp, "webhookEvent": name, "worklog": worklog}
        if name != "worklog_updated":
            body["isFromIssueLimitTransformation"] = False
        return body
