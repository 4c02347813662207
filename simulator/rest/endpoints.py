"""Every endpoint of Jira that the site answers: method, path, who may, and what answers."""

from collections.abc import Callable
from typing import Any, NamedTuple

from simulator.rest import administration, comments, issues, licenses, projects, users, webhooks, worklogs
from simulator.rest.answer import JiraError
from simulator.rest.ask import Ask
from simulator.rest.scribe import RestScribe

Handler = Callable[[Ask, RestScribe], Any]

ANYBODY = "anybody"
"""Strangers get an answer too, if a poor one."""


class Endpoint(NamedTuple):
    """An endpoint; ``needs`` is a permission, ANYBODY, or empty for any signed-in caller."""

    method: str
    path: str
    handler: Handler
    needs: str = ""
    status: int = 200

    @property
    def name(self) -> str:
        """Name under which requests are counted and faults are set."""
        return f"{self.method} {self.path}"


def _removed(_ask: Ask, _scribe: RestScribe) -> None:
    """Answer /search, which Jira Cloud has removed (change 2046)."""
    raise JiraError(410, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API.")


_V3 = "/rest/api/3"
_HOOKS = "/rest/webhooks/1.0/webhook"

ENDPOINTS = (
    Endpoint("GET", f"{_V3}/myself", users.myself),
    Endpoint("GET", f"{_V3}/serverInfo", administration.server_info, ANYBODY),
    Endpoint("GET", f"{_V3}/mypermissions", administration.my_permissions, ANYBODY),
    Endpoint("POST", f"{_V3}/permissions/check", administration.check_permissions),
    Endpoint("GET", f"{_V3}/auditing/record", administration.audit_records, "ADMINISTER"),
    Endpoint("GET", f"{_V3}/search", _removed, ANYBODY),
    Endpoint("POST", f"{_V3}/search", _removed, ANYBODY),
    Endpoint("POST", f"{_V3}/changelog/bulkfetch", issues.bulk_changelogs),
    Endpoint("POST", f"{_V3}/issue/bulkfetch", issues.bulk_issues),
    Endpoint("GET", f"{_V3}/issue/{{issue}}", issues.get_issue),
    Endpoint("GET", f"{_V3}/issue/{{issue}}/changelog", issues.changelog),
    Endpoint("POST", f"{_V3}/issue/{{issue}}/changelog/list", issues.changelog_list),
    Endpoint("GET", f"{_V3}/issue/{{issue}}/comment", comments.comments),
    Endpoint("POST", f"{_V3}/comment/list", comments.comment_list),
    Endpoint("GET", f"{_V3}/issue/{{issue}}/worklog", worklogs.worklogs),
    Endpoint("GET", f"{_V3}/worklog/updated", worklogs.updated),
    Endpoint("GET", f"{_V3}/worklog/deleted", worklogs.deleted),
    Endpoint("POST", f"{_V3}/worklog/list", worklogs.worklog_list),
    Endpoint("GET", f"{_V3}/users/search", users.all_users, "USER_PICKER"),
    Endpoint("GET", f"{_V3}/users", users.all_users, "USER_PICKER"),
    Endpoint("GET", f"{_V3}/user", users.user, "USER_PICKER"),
    Endpoint("GET", f"{_V3}/user/bulk", users.user_bulk),
    Endpoint("GET", f"{_V3}/user/groups", users.user_groups, "USER_PICKER"),
    Endpoint("GET", f"{_V3}/group/bulk", users.group_bulk, "USER_PICKER"),
    Endpoint("GET", f"{_V3}/group/member", users.group_member, "USER_PICKER"),
    Endpoint("GET", f"{_V3}/applicationrole", licenses.application_roles, "ADMINISTER"),
    Endpoint("GET", f"{_V3}/applicationrole/{{key}}", licenses.application_role, "ADMINISTER"),
    Endpoint("GET", f"{_V3}/license/approximateLicenseCount", licenses.approximate_count, "ADMINISTER"),
    Endpoint(
        "GET",
        f"{_V3}/license/approximateLicenseCount/product/{{key}}",
        licenses.approximate_product_count,
        "ADMINISTER",
    ),
    Endpoint("GET", f"{_V3}/instance/license", licenses.instance_license),
    Endpoint("GET", f"{_V3}/project/search", projects.project_search),
    Endpoint("GET", f"{_V3}/project/{{project}}/role", projects.project_roles, "ADMINISTER_PROJECTS"),
    Endpoint("GET", f"{_V3}/project/{{project}}/role/{{id}}", projects.project_role, "ADMINISTER_PROJECTS"),
    Endpoint("GET", f"{_V3}/role", projects.roles, "ADMINISTER"),
    Endpoint("GET", _HOOKS, webhooks.webhooks, "ADMINISTER"),
    Endpoint("POST", _HOOKS, webhooks.create, "ADMINISTER", 201),
    Endpoint("GET", f"{_HOOKS}/{{id}}", webhooks.webhook, "ADMINISTER"),
    Endpoint("PUT", f"{_HOOKS}/{{id}}", webhooks.update, "ADMINISTER"),
    Endpoint("DELETE", f"{_HOOKS}/{{id}}", webhooks.delete, "ADMINISTER", 204),
)
"""The searches are not here: they keep what is being paged, see `rest.app`."""
