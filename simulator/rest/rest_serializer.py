"""People, issues, comments and worklogs as REST v3 shows them: as they are now, texts as documents."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import msgspec

from simulator.hooks.serializer import AVATARS, Serializer, item_json, time_spent
from simulator.life import field_values
from simulator.life.act import Act, Entry
from simulator.rest.site import Site, Snapshot

_CHEAP = {"id", "key", "created", "updated", "creator", "reporter", "comment", "worklog"}


class RestSerializer(Serializer):
    """Writes REST answers for one site at its present."""

    def __init__(self, site: Site) -> None:
        """Prepare for a site."""
        super().__init__(site.config)
        self.site = site
        self.base = f"https://{site.config.host}/rest/api/3"
        self._written: dict[tuple[int, bool, bool], msgspec.Raw] = {}

    def user(self, index: int) -> dict[str, Any]:
        """Write an account; a hidden e-mail is null or left out, a deleted account is a ``Former user``."""
        directory, now = self.site.directory, self.site.clock.now()
        person = directory.people[index]
        written: dict[str, Any] = {
            "self": f"{self.base}/user?accountId={quote(person.account_id, safe='')}",
            "accountId": person.account_id,
            "accountType": person.account_type,
            "avatarUrls": AVATARS,
            "displayName": person.name,
            "active": directory.active(person, now),
        }
        if directory.erased(person, now):
            return written | {"displayName": "Former user", "emailAddress": ""}
        written["timeZone"] = person.zone
        if not person.email_hidden:
            written["emailAddress"] = person.email
        elif person.index % 2:
            # Atlassian's file says null, live answers leave it out: each account has a form of its own.
            written["emailAddress"] = None
        return written

    def person(self, index: int) -> msgspec.Raw:
        """Write an account where it stands inside something else."""
        directory, now = self.site.directory, self.site.clock.now()
        someone = directory.people[index]
        state = (index, directory.active(someone, now), directory.erased(someone, now))
        if state not in self._written:
            self._written[state] = msgspec.Raw(msgspec.json.encode(self.user(index)))
        return self._written[state]

    def comment(self, entry: Entry, issue_id: int) -> dict[str, Any]:
        """Write a comment."""
        return {
            "self": f"{self.base}/issue/{issue_id}/comment/{entry.id}",
            "id": str(entry.id),
            "author": self.person(entry.author),
            "body": document(field_values.words(entry.text, 8)),
            "updateAuthor": self.person(entry.editor),
            "created": self.time(entry.created),
            "updated": self.time(entry.updated),
            "jsdPublic": True,
        }

    def worklog(self, entry: Entry, issue_id: int) -> dict[str, Any]:
        """Write a worklog; one without text has no ``comment`` at all."""
        written = {
            "self": f"{self.base}/issue/{issue_id}/worklog/{entry.id}",
            "author": self.person(entry.author),
            "updateAuthor": self.person(entry.editor),
            "created": self.time(entry.created),
            "updated": self.time(entry.updated),
            "started": self.time(entry.started),
            "timeSpent": time_spent(entry.seconds),
            "timeSpentSeconds": entry.seconds,
            "id": str(entry.id),
            "issueId": str(issue_id),
        }
        return written | ({"comment": document(field_values.words(entry.text, 3))} if entry.text % 2 else {})

    def history(self, act: Act, created: Any = None) -> dict[str, Any]:
        """Write a changelog entry; ``created`` in another form than ISO is given by the caller."""
        people = self.site.directory.people
        written = {
            "id": str(act.history),
            "author": self.person(act.actor),
            "created": self.time(act.history_at) if created is None else created,
            "items": [item_json(item, people) for item in act.items],
        }
        if people[act.actor].account_type == "app":
            written["historyMetadata"] = {"type": "automation", "description": "rule"}
        return written

    def fields(self, found: Snapshot, wanted: Iterable[str]) -> dict[str, Any]:
        """Write the wanted fields of an issue; ``*all`` and ``*navigable`` as in Jira, comments only in the first."""
        names = set(wanted)
        everything = "*all" in names
        if names <= _CHEAP:
            written = self._cheap(found, names)
        else:
            written = self.full(found.issue)["fields"]
            written["description"] = document(field_values.words(found.issue.number, 24))
            if not everything and "*navigable" not in names:
                written = {name: value for name, value in written.items() if name in names}
        if everything or "comment" in names:
            written["comment"] = self._comments(found)
        if everything or "worklog" in names:
            written["worklog"] = self._worklogs(found)
        return written

    def issue(self, found: Snapshot, wanted: Iterable[str], expand: Iterable[str] = ()) -> dict[str, Any]:
        """Write an issue with the wanted fields, and its newest changelog entries when ``expand`` asks for them."""
        number = str(found.issue.id)
        written: dict[str, Any] = {
            "expand": "renderedFields,names,schema,operations,editmeta,changelog,versionedRepresentations",
            "id": number,
            "self": f"{self.base}/issue/{number}",
            "key": self.key(found.issue),
            "fields": self.fields(found, wanted),
        }
        if "changelog" in expand:
            newest = found.histories[::-1][: self.site.faults.embedded_histories]
            histories = [self.history(act) for act in newest]
            page = {"startAt": 0, "maxResults": len(newest), "total": len(found.histories)}
            written["changelog"] = page | {"histories": histories}
        return written

    def _cheap(self, found: Snapshot, names: set[str]) -> dict[str, Any]:
        """Write the few fields that a backfill asks for, without making all the others first."""
        issue = found.issue
        written: dict[str, Any] = {}
        for name in names & {"created", "updated"}:
            written[name] = self.time(issue.created if name == "created" else issue.updated)
        for name in names & {"creator", "reporter"}:
            written[name] = self.person(issue.creator if name == "creator" else issue.reporter)
        return written

    def _comments(self, found: Snapshot) -> dict[str, Any]:
        embedded = found.comments[: self.site.faults.embedded_comments]
        comments = [self.comment(entry, found.issue.id) for entry in embedded]
        link = f"{self.base}/issue/{found.issue.id}/comment"
        size, total = len(embedded), len(found.comments)
        return {"comments": comments, "self": link, "maxResults": size, "total": total, "startAt": 0}

    def _worklogs(self, found: Snapshot) -> dict[str, Any]:
        most = self.site.faults.embedded_worklogs
        worklogs = [self.worklog(entry, found.issue.id) for entry in found.worklogs[:most]]
        return {"startAt": 0, "maxResults": most, "total": len(found.worklogs), "worklogs": worklogs}


def document(text: str) -> dict[str, Any]:
    """Write a text in Atlassian's document format."""
    paragraph = {"type": "paragraph", "content": [{"type": "text", "text": text}]}
    return {"type": "doc", "version": 1, "content": [paragraph]}
