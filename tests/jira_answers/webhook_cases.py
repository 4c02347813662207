"""Webhooks as Jira, proxies and admins really send them, each with the facts that are true of it.

Every case has a day of its own, so that who was active on it is told by the case alone.
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

Json = dict[str, Any]

ANN = "5b10a2844c20165700ede21g"
BOB = "557058:00000000-0000-4000-8000-000000000001"
CYD = "qm:00000000-0000-4000-8000-000000000002:00000000-0000-4000-8000-000000000003"
AUTOMATION = "557058:f58131cb-b67d-43c7-b30d-6b58d40bd077"
NOBODY = ""
_TYPES = {AUTOMATION: "app", CYD: "customer"}
FIRST_DAY = datetime(2026, 1, 2, 9, 0, tzinfo=UTC)


class Act(NamedTuple):
    """A fact that is true: its identity, who did it, and when, epoch ms."""

    event_key: str
    account_id: str
    at: int


@dataclass(frozen=True)
class Delivery:
    """A post of Jira's; `answer` is the status that is right, `outcome` what it is counted as."""

    body: bytes
    outcome: str = "facts"
    headers: dict[str, str] = field(default_factory=dict)
    path: str = "/webhooks/acme"
    answer: int = 204
    signed: bool = True


@dataclass(frozen=True)
class Case:
    """What comes, and what is true of it."""

    deliveries: list[Delivery]
    acts: list[Act] = field(default_factory=list)


@dataclass(frozen=True)
class Day:
    """The day of a case, with ids that no other has."""

    number: int

    def ms(self, minutes: float = 0) -> int:
        """Some minutes after nine o'clock UTC, epoch ms."""
        return int((FIRST_DAY + timedelta(days=self.number, minutes=minutes)).timestamp() * 1000)

    def iso(self, minutes: float = 0) -> str:
        return datetime.fromtimestamp(self.ms(minutes) / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")

    def id(self, number: int = 0) -> int:
        return 100_000 + 100 * self.number + number

    def issue(self, **fields: Any) -> Json:
        """The issue of the day, created at nine and updated ten minutes later."""
        known = {"project": {"key": "ACME"}, "created": self.iso(), "updated": self.iso(10), "summary": "x"}
        return {"id": str(self.id()), "key": f"ACME-{self.id()}", "fields": {**known, **fields}}

    def entity(self, **parts: Any) -> Json:
        """A comment or worklog, added at nine by Ann and edited ten minutes later by Bob."""
        known = {"id": str(self.id(1)), "author": person(ANN), "updateAuthor": person(BOB), "body": "x"}
        return {**known, "created": self.iso(), "updated": self.iso(10), **parts}

    def comment(self, event: str, **parts: Any) -> Json:
        return {**self.event(f"comment_{event}"), "comment": self.entity(**parts), "issue": self.issue()}

    def worklog(self, event: str, **parts: Any) -> Json:
        return {**self.event(f"worklog_{event}"), "worklog": self.entity(**{"issueId": str(self.id()), **parts})}

    def changed(self, **parts: Any) -> Json:
        """An update of the issue by Ann, with a changelog."""
        changelog = {"id": str(self.id(2)), "items": [{"field": "Status", "fieldId": "status"}]}
        known = {**self.event("jira:issue_updated"), "issue_event_type_name": "issue_generic", "user": person(ANN)}
        return {**known, "issue": self.issue(), "changelog": changelog, **parts}

    def event(self, name: str) -> Json:
        return {"timestamp": self.ms(20), "webhookEvent": name}

    def added(self, kind: str = "comment", who: str = ANN) -> Act:
        return Act(f"{kind}:{self.id(1)}:created", who, self.ms())

    def edited(self, kind: str = "comment", who: str = BOB) -> Act:
        return Act(f"{kind}:{self.id(1)}:updated:{self.ms(10)}", who, self.ms(10))

    def deleted(self, kind: str = "comment") -> Act:
        return Act(f"{kind}:{self.id(1)}:deleted", NOBODY, self.ms(20))

    def history(self, who: str = ANN) -> Act:
        return Act(f"history:{self.id(2)}", who, self.ms(10))

    def born(self, who: str = ANN) -> Act:
        return Act(f"issue:{self.id()}:created", who, self.ms())

    def gone(self, who: str = ANN) -> Act:
        return Act(f"issue:{self.id()}:deleted", who, self.ms(20))

    def updated(self, who: str = ANN) -> Act:
        """A change without a changelog."""
        return Act(f"issue:{self.id()}:updated:{self.ms(10)}:{who}", who, self.ms(10))


def person(account_id: str, **parts: Any) -> Json:
    kind = _TYPES.get(account_id, "atlassian")
    return {"accountId": account_id, "accountType": kind, "displayName": "x", "active": True, **parts}


def post(payload: object, outcome: str = "facts", **parts: Any) -> Delivery:
    return Delivery(json.dumps(payload).encode(), outcome, **parts)


def one(payload: object, *acts: Act, **parts: Any) -> Case:
    return Case([post(payload, **parts)], list(acts))


SECONDARY = {"x-atlassian-webhook-flow": "Secondary"}
MIGRATED = "1999-01-01T00:00:00.000+0000"
DEEP = b"[" * 5_000 + b"]" * 5_000

Made = Callable[[Day], Case]

PARTS: dict[str, Made] = {
    "comment edited, created in 1999": lambda d: one(d.comment("updated", created=MIGRATED), d.edited()),
    "comment edited, created unreadable": lambda d: one(d.comment("updated", created="01/Mar/99 9:00"), d.edited()),
    "comment edited, author unreadable": lambda d: one(d.comment("updated", author="ann"), d.edited()),
    "comment added, updateAuthor unreadable": lambda d: one(d.comment("created", updateAuthor=[5]), d.added()),
    "comment added, updated in 1999": lambda d: one(d.comment("created", updated=MIGRATED), d.added()),
    "comment added, timestamp absurd": lambda d: one({**d.comment("created"), "timestamp": "now"}, d.added()),
    "comment added, issue is a text": lambda d: one({**d.comment("created"), "issue": "ACME-1"}, d.added()),
    "comment added, no issue": lambda d: one({**d.comment("created"), "issue": None}, d.added()),
    "comment deleted, times absurd": lambda d: one(d.comment("deleted", created=5, updated=[]), d.deleted()),
    "worklog edited, created in 1999": lambda d: one(d.worklog("updated", created=MIGRATED), d.edited("worklog")),
    "worklog added, started absurd": lambda d: one(d.worklog("created", started={}), d.added("worklog")),
    "worklog added, issueId absurd": lambda d: one(d.worklog("created", issueId="ACME-1"), d.added("worklog")),
    "worklog deleted, author absurd": lambda d: one(d.worklog("deleted", author=7), d.deleted("worklog")),
    "change, created in 1999": lambda d: one(d.changed(issue=d.issue(created=MIGRATED)), d.history()),
    "change, timestamp from the future": lambda d: one({**d.changed(), "timestamp": 4_000_000_000_000}, d.history()),
    "change, project absurd": lambda d: one(d.changed(issue=d.issue(project=[1])), d.history()),
    "change, an item absurd": lambda d: one(
        d.changed(changelog={"id": d.id(2), "items": [None, 7, {"fieldId": [], "from": {}, "to": 1.5}]}), d.history()
    ),
    "change, text nested too deep": lambda d: Case(
        [Delivery(post(d.changed(issue=d.issue(description="@"))).body.replace(b'"@"', DEEP))], [d.history()]
    ),
    "comment added, text ends in half an emoji": lambda d: Case(
        [Delivery(post(d.comment("created", body="@")).body.replace(b'"@"', rb'"cut \ud83d"'))], [d.added()]
    ),
    "issue deleted, changelog absurd": lambda d: one(
        {**d.changed(), "webhookEvent": "jira:issue_deleted", "changelog": "x"}, d.gone()
    ),
    "issue created, creator absurd": lambda d: one(
        {**d.changed(issue=d.issue(creator="ann")), "webhookEvent": "jira:issue_created"}, d.born()
    ),
}

ECHOES: dict[str, Made] = {
    "a comment and its echo by name": lambda d: Case(
        [
            post(d.comment("created")),
            post(d.changed(changelog=None, issue_event_type_name="issue_commented"), "echo"),
        ],
        [d.added()],
    ),
    "an echo that comes first": lambda d: Case(
        [
            post(d.changed(changelog=None, issue_event_type_name="issue_comment_edited"), "echo"),
            post(d.comment("updated")),
        ],
        [d.edited()],
    ),
    "an echo by its comment, named anything": lambda d: one(
        d.changed(changelog=None, comment=d.entity(), issue_event_type_name="Kommentiert"), outcome="echo"
    ),
    "an echo by its worklog, without a name": lambda d: one(
        {**d.changed(changelog={}, worklog=d.entity()), "issue_event_type_name": None}, outcome="echo"
    ),
    "an echo by somebody else": lambda d: one(
        d.changed(changelog=None, comment=d.entity(), user=person(BOB)), outcome="echo"
    ),
    "a comment with a transition": lambda d: one(d.changed(comment=d.entity()), d.history()),
    "work logged: the change and the worklog": lambda d: Case(
        [
            post(d.changed(worklog=d.entity(), issue_event_type_name="issue_work_logged")),
            post(d.worklog("created")),
        ],
        [d.history(), d.added("worklog")],
    ),
    "a change of an event that nobody knows": lambda d: one(
        d.changed(changelog=None, issue_event_type_name="Freigegeben"), d.updated()
    ),
    "an edit that is none": lambda d: one(d.comment("updated", updated=d.iso()), outcome="no_edit"),
    "a comment edited before it was there": lambda d: one(d.comment("updated", created=d.iso(11)), outcome="no_edit"),
    "a worklog edited before it was there": lambda d: one(d.worklog("updated", created=d.iso(600)), outcome="no_edit"),
    "a comment edited, created in 2090": lambda d: one(
        d.comment("updated", created="2090-01-01T00:00:00.000+0000"), d.edited()
    ),
    "the old worklog event with a changelog": lambda d: one(
        {**d.changed(), "webhookEvent": "jira:worklog_updated"}, d.history()
    ),
}

DELETIONS: dict[str, Made] = {
    "an issue with its comments": lambda d: Case(
        [
            post({**d.changed(changelog=None), "webhookEvent": "jira:issue_deleted"}),
            post(d.comment("deleted"), "cascade", headers=SECONDARY),
            post(d.worklog("deleted"), "cascade", headers=SECONDARY),
            post(d.event("attachment_deleted"), "cascade", headers=SECONDARY),
            post(d.event("issuelink_deleted"), "cascade", headers=SECONDARY),
        ],
        [d.gone()],
    ),
    "issues in bulk, each named": lambda d: Case(
        [
            post(
                {
                    **d.event("jira:issue_deleted"),
                    "user": person(BOB),
                    "issue": {"id": d.id(number), "key": f"ACME-{number}"},
                    "bulkOperationMetaData": {"id": "x", "totalIssues": 3},
                },
                headers=SECONDARY,
            )
            for number in (10, 11, 12)
        ],
        [Act(f"issue:{d.id(number)}:deleted", BOB, d.ms(20)) for number in (10, 11, 12)],
    ),
    "an issue along with its project": lambda d: one(
        {**d.event("jira:issue_deleted"), "issue": d.issue(), "user": None}, outcome="cascade", headers=SECONDARY
    ),
    "a comment alone": lambda d: one(d.comment("deleted"), d.deleted()),
    "a comment, whatever user is at the top": lambda d: one({**d.comment("deleted"), "user": person(ANN)}, d.deleted()),
    "a comment of a flow that nobody knows": lambda d: one(
        d.comment("deleted"), d.deleted(), headers={"x-atlassian-webhook-flow": "Tertiary"}
    ),
    "an issue moved, then deleted": lambda d: Case(
        [
            post(d.changed(changelog={"id": d.id(2), "items": [{"field": "Key"}, {"field": "project"}]})),
            post({**d.event("jira:issue_deleted"), "user": person(ANN), "issue": {"id": d.id(), "key": "NEW-1"}}),
        ],
        [d.history(), d.gone()],
    ),
    "a change that comes as fallout": lambda d: one(d.changed(), d.history(), headers=SECONDARY),
}

PEOPLE: dict[str, Made] = {
    "three people in one millisecond": lambda d: Case(
        [post(d.changed(changelog=None, user=person(who))) for who in (ANN, BOB, CYD)],
        [d.updated(who) for who in (ANN, BOB, CYD)],
    ),
    "a customer of the portal": lambda d: one(d.comment("created", author=person(CYD)), d.added(who=CYD)),
    "Automation": lambda d: one(d.changed(user=person(AUTOMATION)), d.history(AUTOMATION)),
    "somebody anonymous": lambda d: one(d.changed(user=None), d.history(NOBODY)),
    "Jira's placeholder": lambda d: one(d.changed(user=person("unknown")), d.history(NOBODY)),
    "an id of 128 characters": lambda d: one(d.changed(user=person("x" * 128)), d.history("x" * 128)),
    "an id longer than any": lambda d: one(d.changed(user=person("x" * 129)), outcome="dead_letter"),
    "an edit of somebody else's comment": lambda d: Case(
        [post(d.comment("created")), post(d.comment("updated"))], [d.added(), d.edited()]
    ),
    "an issue created for somebody else": lambda d: one(
        {**d.changed(issue=d.issue(creator=person(BOB))), "webhookEvent": "jira:issue_created"}, d.born()
    ),
    "people with names only: Data Center": lambda d: one(
        d.changed(user={"name": "ann", "key": "ann"}), outcome="dead_letter"
    ),
}

TIMES: dict[str, Made] = {
    "a timestamp in seconds": lambda d: one({**d.comment("deleted"), "timestamp": d.ms(20) // 1000}, d.deleted()),
    "a timestamp as text": lambda d: one({**d.comment("deleted"), "timestamp": str(d.ms(20))}, d.deleted()),
    "a negative timestamp": lambda d: one({**d.comment("deleted"), "timestamp": -1}, outcome="dead_letter"),
    "times in epoch ms": lambda d: one(d.comment("updated", updated=d.ms(10)), d.edited()),
    "an offset of half an hour": lambda d: one(
        d.comment("created", created=d.iso().replace("T09:00:00.000+0000", "T14:30:00.000+05:30")), d.added()
    ),
    "a creation without its time": lambda d: one(
        {**d.comment("created", created=None), "timestamp": d.ms()}, d.added()
    ),
    "a time from the future": lambda d: one(
        d.comment("created", created="2099-01-01T00:00:00.000+0000"), outcome="dead_letter"
    ),
    "ids as numbers": lambda d: one({**d.comment("created", id=d.id(1)), "issue": {"id": d.id()}}, d.added()),
    "ids with zeros before them": lambda d: one(d.comment("created", id=f"00{d.id(1)}"), d.added()),
    "an id larger than any": lambda d: one(d.comment("created", id=2**63), outcome="dead_letter"),
}

POSTS: dict[str, Made] = {
    "printed for people": lambda d: Case(
        [Delivery(json.dumps(d.changed(), indent=4).encode() + b"\r\n")], [d.history()]
    ),
    "sent three times": lambda d: Case(
        [
            post(d.changed(), headers={"x-atlassian-webhook-identifier": "a", "x-atlassian-webhook-retry": str(retry)})
            for retry in range(3)
        ],
        [d.history()],
    ),
    "as a form by name": lambda d: one(
        d.changed(), d.history(), headers={"content-type": "application/x-www-form-urlencoded"}
    ),
    "by a doubled slash and with a query": lambda d: one(
        d.changed(), d.history(), path=f"//webhooks//acme/?triggeredByUser={BOB}"
    ),
    "by a name in percents": lambda d: one(d.changed(), d.history(), path="/webhooks/%61cme"),
    "in UTF-16": lambda d: Case([Delivery(json.dumps(d.changed()).encode("utf-16"), "dead_letter")]),
    "two at once": lambda d: Case([Delivery(post(d.changed()).body * 2, "dead_letter")]),
    "unsigned": lambda d: one(d.changed(), signed=False, answer=401, outcome="no_signature"),
    "by Automation, without an event": lambda d: one({"issue": d.issue(), "user": person(ANN)}, outcome="dead_letter"),
    "events of no interest": lambda d: Case(
        [
            post({**d.event(name), "user": person(ANN), "issue": d.issue()}, "ignored")
            for name in (
                "sprint_started",
                "jira:version_released",
                "user_updated",
                "feedback_created",
                "issue_property_set",
            )
        ]
    ),
}


def with_text(payload: object, text: bytes) -> Case:
    """A payload with this in the place of its text ``@``, kept as a dead letter where it is no JSON then."""
    return Case([Delivery(json.dumps(payload).encode().replace(b'"@"', text))])


def late(d: Day, who: str = ANN) -> Act:
    """The change at the time of the webhook, where the issue does not tell its own."""
    return Act(f"history:{d.id(2)}", who, d.ms(20))


def replaced(case: Case, *acts: Act) -> Case:
    return Case(case.deliveries, list(acts))


SHAPES: dict[str, Made] = {
    # Parts of another type.
    "change, no issue": lambda d: one(d.changed(issue=None), late(d)),
    "change, the issue in a list": lambda d: one(d.changed(issue=[d.issue()]), late(d)),
    "change, an issue without fields": lambda d: one(d.changed(issue={"id": d.id(), "fields": None}), late(d)),
    "change, no items": lambda d: one(d.changed(changelog={"id": d.id(2), "items": None}), d.history()),
    "change, a number of ten thousand digits": lambda d: replaced(
        with_text(d.changed(issue=d.issue(x="@")), b"9" * 10_000), d.history()
    ),
    "change, a number larger than any": lambda d: replaced(
        with_text(d.changed(issue=d.issue(x="@")), b"-1e999"), d.history()
    ),
    "change, objects nested too deep": lambda d: replaced(
        with_text(d.changed(issue=d.issue(x="@")), b'{"a":' * 5_000 + b"1" + b"}" * 5_000), d.history()
    ),
    "comment deleted, nothing but its id": lambda d: one(
        {**d.event("comment_deleted"), "comment": {"id": d.id(1)}}, d.deleted()
    ),
    "worklog added, no issue named": lambda d: one(
        {**d.event("worklog_created"), "worklog": d.entity()}, d.added("worklog")
    ),
    "comment in a list": lambda d: one({**d.comment("created"), "comment": [d.entity()]}, outcome="dead_letter"),
    # People.
    "an account id and nothing else": lambda d: one(d.changed(user={"accountId": ANN}), d.history()),
    "an account id beside an old name and key": lambda d: one(
        d.changed(user={**person(ANN), "name": "ann", "key": "ann"}), d.history()
    ),
    "an account id that is null": lambda d: one(
        d.changed(user={"accountId": None, "displayName": "Former user"}), d.history(NOBODY)
    ),
    "an account id that is a number": lambda d: one(d.changed(user={"accountId": 5}), outcome="dead_letter"),
    "a user who is a text": lambda d: one(d.changed(user=ANN), outcome="dead_letter"),
    "users in a list": lambda d: one(d.changed(user=[person(ANN)]), outcome="dead_letter"),
    # Numbers.
    "a timestamp with a fraction": lambda d: one({**d.comment("deleted"), "timestamp": float(d.ms(20))}, d.deleted()),
    "a timestamp with an exponent": lambda d: replaced(
        with_text({**d.comment("deleted"), "timestamp": "@"}, f"{d.ms(20):.12E}".encode()), d.deleted()
    ),
    "a timestamp in ISO 8601": lambda d: one({**d.comment("deleted"), "timestamp": d.iso(20)}, d.deleted()),
    "a timestamp in microseconds": lambda d: one(
        {**d.comment("deleted"), "timestamp": d.ms(20) * 1000}, outcome="dead_letter"
    ),
    "an id with a fraction": lambda d: one(d.comment("created", id=float(d.id(1))), d.added()),
    "an id with a fraction that is not zero": lambda d: one(d.comment("created", id=1.5), outcome="dead_letter"),
    "an id of 0": lambda d: one(d.comment("created", id=0), outcome="dead_letter"),
    "an id below 0": lambda d: one(d.comment("created", id=-5), outcome="dead_letter"),
    "an id that is true": lambda d: one(d.comment("created", id=True), outcome="dead_letter"),
    # Bodies.
    "the same name twice, of which the last counts": lambda d: Case(
        [
            Delivery(
                post(d.changed(user=person(BOB))).body[:-1] + b', "user": ' + json.dumps(person(ANN)).encode() + b"}"
            )
        ],
        [d.history()],
    ),
    "half a letter in a name": lambda d: Case(
        [Delivery(post(d.changed()).body[:-1] + b', "\\ud83d": 1}')], [d.history()]
    ),
    "in a list": lambda d: one([d.changed()], outcome="dead_letter"),
    "in an envelope": lambda d: one({"headers": {}, "body": d.changed()}, outcome="dead_letter"),
    "as a text of JSON": lambda d: one(json.dumps(d.changed()), outcome="dead_letter"),
    "as the field of a form": lambda d: Case([Delivery(b"payload=" + post(d.changed()).body, "dead_letter")]),
    "packed": lambda d: Case(
        [Delivery(gzip.compress(post(d.changed()).body), "dead_letter", {"content-encoding": "gzip"})]
    ),
    "with a name that no event has": lambda d: one({**d.changed(), "webhookEvent": "issue_updated"}, outcome="ignored"),
    # On the way.
    "announced before it comes": lambda d: one(d.changed(), d.history(), headers={"expect": "100-continue"}),
    "by a slash in percents": lambda d: one(d.changed(), d.history(), path="/webhooks%2Facme"),
}

CASES: dict[str, Made] = {**PARTS, **ECHOES, **DELETIONS, **PEOPLE, **TIMES, **POSTS, **SHAPES}
