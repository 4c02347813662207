"""People, projects, issues and changelog items as JSON in the shape of REST v2, which webhook bodies have.

What never changes is encoded once and cached.
"""

from typing import Any
from urllib.parse import quote

import msgspec

from simulator.clock import jira_time
from simulator.company.person import Person, roster
from simulator.company.project import Project, projects
from simulator.config import SiteConfig
from simulator.life import field_values
from simulator.life.act import Issue, Item
from simulator.life.field_values import labels


def item_json(item: Item, people: tuple[Person, ...], *, historic: bool = False) -> dict[str, Any]:
    """Write one item; accounts get their id and name.

    ``historic`` adds the tmp…AccountId keys that webhooks and old answers still carry for accounts.
    """
    field, field_id, kind, old, old_text, new, new_text = item
    written: dict[str, Any] = {"field": field, "fieldtype": kind}
    if field_id is not None:
        written["fieldId"] = field_id
    written |= {
        "from": _account(old, people),
        "fromString": _name(old_text, people),
        "to": _account(new, people),
        "toString": _name(new_text, people),
    }
    if historic and field_id == "assignee":
        written |= {"tmpFromAccountId": written["from"], "tmpToAccountId": written["to"]}
    return written


def _account(value: str | None, people: tuple[Person, ...]) -> str | None:
    return people[int(value[1:])].account_id if value and value[0] == "@" else value


def _name(value: str | None, people: tuple[Person, ...]) -> str | None:
    return people[int(value[1:])].name if value and value[0] == "@" else value


AVATARS = {f"{size}x{size}": f"https://avatar.example/default-{size}x{size}.png" for size in (48, 24, 16, 32)}
_CUSTOM = {
    f"customfield_{number}": None for number in (*range(10_001, 10_011), 10_014, 10_015, 10_017, *range(10_021, 10_031))
}


class Serializer:
    """Writes parts of bodies for one site; what never changes is encoded once and cached."""

    def __init__(self, config: SiteConfig) -> None:
        """Prepare for a site."""
        self.config = config
        self.base = f"https://{config.host}/rest/api/2"
        self._people = roster(config)
        self._projects = projects(config)
        self._encoded: dict[int, msgspec.Raw] = {}
        self._places: dict[int, msgspec.Raw] = {}
        self._types = [_raw(self._type(place)) for place in range(len(field_values.ISSUE_TYPES))]
        self._statuses = [_raw(self._status(place)) for place in range(len(field_values.STATUSES))]
        self._priorities = [_raw(self._priority(place)) for place in range(len(field_values.PRIORITIES))]
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
        done = issue.status == field_values.DONE
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
            "description": field_values.words(issue.number, 24),
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
            "summary": field_values.words(issue.number + issue.summary, 5),
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
        number, name = field_values.ISSUE_TYPES[place]
        icon = f"https://{self.config.host}/secure/viewavatar?size=medium&avatarId=10318&avatarType=issuetype"
        link = f"{self.base}/issuetype/{number}"
        text = field_values.words(place, 9)
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
        number, name, category, key, colour = field_values.STATUSES[place]
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
        number, name = field_values.PRIORITIES[place]
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


def time_spent(seconds: int) -> str:
    """Write a duration as Jira does: hours and minutes."""
    hours, minutes = divmod(seconds // 60, 60)
    return " ".join(part for part in (f"{hours}h" if hours else "", f"{minutes}m" if minutes else "") if part) or "0m"
