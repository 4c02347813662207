"""Writes people, projects and issues as Jira puts them into webhook bodies (the REST v2 shape)."""

from typing import Any
from urllib.parse import quote

import msgspec

from simulator.company.people import roster
from simulator.company.projects import Project, projects
from simulator.config import SiteConfig
from simulator.jira_time import jira_time
from simulator.life import catalog
from simulator.life.act import Issue
from simulator.life.changes import labels

AVATARS = {f"{size}x{size}": f"https://avatar.example/default-{size}x{size}.png" for size in (48, 24, 16, 32)}
_CUSTOM = {
    f"customfield_{number}": None for number in (*range(10_001, 10_011), 10_014, 10_015, 10_017, *range(10_021, 10_031))
}


class Scribe:
    """Writes parts of bodies for one site; what never changes is encoded once and kept."""

    def __init__(self, config: SiteConfig) -> None:
        """Prepare for a site."""
        self.config = config
        self.base = f"https://{config.host}/rest/api/2"
        self._people = roster(config)
        self._projects = projects(config)
        self._encoded: dict[int, msgspec.Raw] = {}
        self._places: dict[int, msgspec.Raw] = {}
        self._types = [_raw(self._type(place)) for place in range(len(catalog.ISSUE_TYPES))]
        self._statuses = [_raw(self._status(place)) for place in range(len(catalog.STATUSES))]
        self._priorities = [_raw(self._priority(place)) for place in range(len(catalog.PRIORITIES))]
        self._epic = _raw({"hasEpicLinkFieldDependency": False, "showField": False})

    def time(self, at: int) -> str:
        """Write a time of the site."""
        return jira_time(self.config.site_zone, at)

    def key(self, issue: Issue) -> str:
        """Return the issue's key."""
        return f"{self._projects[issue.project].key}-{issue.number}"

    def person(self, index: int) -> msgspec.Raw:
        """Write an account as it was when it acted: a REST user without e-mail, locale, groups and roles."""
        found = self._encoded.get(index)
        if found is None:
            someone = self._people[index]
            found = self._encoded[index] = _raw(
                {
                    "self": f"{self.base}/user?accountId={quote(someone.account_id, safe='')}",
                    "accountId": someone.account_id,
                    "avatarUrls": AVATARS,
                    "displayName": someone.name,
                    "active": True,
                    "timeZone": someone.zone,
                    "accountType": someone.account_type,
                }
            )
        return found

    def maybe(self, index: int) -> msgspec.Raw | None:
        """Write an account, or null for none."""
        return self.person(index) if index >= 0 else None

    def brief(self, issue: Issue) -> dict[str, Any]:
        """Write an issue as comment events carry it: six fields, no more."""
        return self._frame(issue, self._six(issue))

    def full(self, issue: Issue, *, deleted: bool = False) -> dict[str, Any]:
        """Write an issue as issue events carry it: all its fields."""
        key, person = self.key(issue), self.person
        fields: dict[str, Any] = self._six(issue)
        done = issue.status == catalog.DONE
        fields |= _CUSTOM
        fields |= {
            "statuscategorychangedate": self.time(issue.created),
            "timespent": issue.spent or None,
            "fixVersions": [],
            "aggregatetimespent": issue.spent or None,
            "resolution": {"self": f"{self.base}/resolution/10000", "id": "10000", "name": "Done"} if done else None,
            "resolutiondate": self.time(issue.updated) if done else None,
            "workratio": -1,
            "watches": {"self": f"{self.base}/issue/{key}/watchers", "watchCount": 1, "isWatching": False},
            "lastViewed": None,
            "created": self.time(issue.created),
            "customfield_10000": "{}",
            "customfield_10018": self._epic,
            "customfield_10019": f"0|i{issue.number:05x}:",
            "customfield_10020": None,
            "labels": labels(issue.labels).split(),
            "customfield_10016": None,
            "timeestimate": 0 if issue.worklogs else None,
            "aggregatetimeoriginalestimate": None,
            "versions": [],
            "issuelinks": [],
            "updated": self.time(issue.updated),
            "components": [],
            "timeoriginalestimate": None,
            "description": catalog.words(issue.number, 24),
            "timetracking": {},
            "security": None,
            "aggregatetimeestimate": None,
            "attachment": [],
            "creator": person(issue.creator),
            "subtasks": [],
            "reporter": person(issue.reporter),
            "aggregateprogress": {"progress": 0, "total": 0},
            "environment": None,
            "duedate": None,
            "progress": {"progress": 0, "total": 0},
            "votes": {"self": f"{self.base}/issue/{key}/votes", "votes": 0, "hasVoted": False},
        }
        if deleted:
            # Seen on deletions only: the empty shells of what was inside.
            fields["comment"] = {"comments": [], "maxResults": 0, "total": 0, "startAt": 0}
            fields["worklog"] = {"startAt": 0, "maxResults": 20, "total": 0, "worklogs": []}
        return self._frame(issue, fields)

    def _frame(self, issue: Issue, fields: dict[str, Any]) -> dict[str, Any]:
        number = str(issue.id)
        return {"id": number, "self": f"{self.base}/issue/{number}", "key": self.key(issue), "fields": fields}

    def _six(self, issue: Issue) -> dict[str, Any]:
        return {
            "summary": catalog.words(issue.number + issue.summary, 5),
            "issuetype": self._types[issue.type],
            "project": self._project(issue.project),
            "assignee": self.maybe(issue.assignee),
            "priority": self._priorities[issue.priority],
            "status": self._statuses[issue.status],
        }

    def _project(self, index: int) -> msgspec.Raw:
        found = self._places.get(index)
        if found is None:
            found = self._places[index] = _raw(project_json(self._projects[index], self.base))
        return found

    def _type(self, place: int) -> dict[str, Any]:
        number, name = catalog.ISSUE_TYPES[place]
        icon = f"https://{self.config.host}/secure/viewavatar?size=medium&avatarId=10318&avatarType=issuetype"
        link = f"{self.base}/issuetype/{number}"
        text = catalog.words(place, 9)
        return {
            "self": link,
            "id": number,
            "description": text,
            "iconUrl": icon,
            "name": name,
            "subtask": False,
            "avatarId": 10318,
        }

    def _status(self, place: int) -> dict[str, Any]:
        number, name, category, key, colour = catalog.STATUSES[place]
        group = {
            "self": f"{self.base}/statuscategory/{category}",
            "id": category,
            "key": key,
            "colorName": colour,
            "name": name,
        }
        icon = f"https://{self.config.host}/"
        link = f"{self.base}/status/{number}"
        return {"self": link, "description": "", "iconUrl": icon, "name": name, "id": number, "statusCategory": group}

    def _priority(self, place: int) -> dict[str, Any]:
        number, name = catalog.PRIORITIES[place]
        icon = f"https://{self.config.host}/images/icons/priorities/{name.lower()}.svg"
        return {"self": f"{self.base}/priority/{number}", "iconUrl": icon, "name": name, "id": number}


def project_json(project: Project, base: str) -> dict[str, Any]:
    """Write a project as it stands inside an issue."""
    sizes = ((48, ""), (24, "size=small&"), (16, "size=xsmall&"), (32, "size=medium&"))
    root = base.partition("/rest/")[0]
    return {
        "self": f"{base}/project/{project.id}",
        "id": str(project.id),
        "key": project.key,
        "name": f"Project {project.key}",
        "projectTypeKey": project.type,
        "simplified": project.simplified,
        "avatarUrls": {
            f"{size}x{size}": f"{root}/secure/projectavatar?{query}pid={project.id}" for size, query in sizes
        },
    }


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
