"""Every endpoint of Jira that Rollcall asks; a test checks those under /rest/api/3 against Atlassian's OpenAPI file."""

from dataclasses import dataclass, field

_V3 = "/rest/api/3"
_HOOKS = "/rest/webhooks/1.0/webhook"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint of Jira's REST API.

    Attributes:
        method: HTTP method.
        path: Path below the base URL, names in braces as in the OpenAPI file.
        repeatable: Whether asking twice does no harm, so that it may be sent again after an unclear failure.
        name: Name to count requests under, such as ``POST /search/jql``.
    """

    method: str
    path: str
    repeatable: bool = True
    name: str = field(init=False)

    def __post_init__(self) -> None:
        """Name it once, for it is counted at every request."""
        object.__setattr__(self, "name", f"{self.method} {self.path.removeprefix(_V3)}")


MYSELF = Endpoint("GET", f"{_V3}/myself")
SERVER_INFO = Endpoint("GET", f"{_V3}/serverInfo")
MY_PERMISSIONS = Endpoint("GET", f"{_V3}/mypermissions")

SEARCH = Endpoint("POST", f"{_V3}/search/jql")
CHANGELOGS = Endpoint("POST", f"{_V3}/changelog/bulkfetch")
CHANGELOG = Endpoint("GET", f"{_V3}/issue/{{issueIdOrKey}}/changelog")
CHANGELOGS_BY_ID = Endpoint("POST", f"{_V3}/issue/{{issueIdOrKey}}/changelog/list")
COMMENTS = Endpoint("GET", f"{_V3}/issue/{{issueIdOrKey}}/comment")
WORKLOGS_UPDATED = Endpoint("GET", f"{_V3}/worklog/updated")
WORKLOGS_DELETED = Endpoint("GET", f"{_V3}/worklog/deleted")
WORKLOGS = Endpoint("POST", f"{_V3}/worklog/list")

USERS = Endpoint("GET", f"{_V3}/users/search")
USERS_BY_ID = Endpoint("GET", f"{_V3}/user/bulk")
APPLICATION_ROLES = Endpoint("GET", f"{_V3}/applicationrole")
APPLICATION_ROLE = Endpoint("GET", f"{_V3}/applicationrole/{{key}}")
GROUPS = Endpoint("GET", f"{_V3}/group/bulk")
GROUP_MEMBERS = Endpoint("GET", f"{_V3}/group/member")
PROJECTS = Endpoint("GET", f"{_V3}/project/search")
PROJECT_ROLES = Endpoint("GET", f"{_V3}/project/{{projectIdOrKey}}/role")
PROJECT_ROLE = Endpoint("GET", f"{_V3}/project/{{projectIdOrKey}}/role/{{id}}")

TENANT_INFO = Endpoint("GET", "/_edge/tenant_info")
"""Gives a site's cloud id to anybody; in no Atlassian page, used by many clients."""

ORGANIZATION_USERS = Endpoint("POST", "/admin/v2/orgs/{orgId}/directories/-/users/search")
"""Of Atlassian's organization API, on a host of its own: people with the products they looked at. It only reads."""

WEBHOOKS = Endpoint("GET", _HOOKS)
REGISTER_WEBHOOK = Endpoint("POST", _HOOKS, repeatable=False)
REMOVE_WEBHOOK = Endpoint("DELETE", f"{_HOOKS}/{{id}}", repeatable=False)
"""Admin webhooks: described on Atlassian's webhooks page, not in the OpenAPI file."""

IN_OPENAPI_FILE = (
    MYSELF,
    SERVER_INFO,
    MY_PERMISSIONS,
    SEARCH,
    CHANGELOGS,
    CHANGELOG,
    CHANGELOGS_BY_ID,
    COMMENTS,
    WORKLOGS_UPDATED,
    WORKLOGS_DELETED,
    WORKLOGS,
    USERS,
    USERS_BY_ID,
    APPLICATION_ROLES,
    APPLICATION_ROLE,
    GROUPS,
    GROUP_MEMBERS,
    PROJECTS,
    PROJECT_ROLES,
    PROJECT_ROLE,
)
