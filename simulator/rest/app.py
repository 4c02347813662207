"""The site as an ASGI application: Jira's REST API, the gateway's prefix, and the control surface.

`ENDPOINTS` lists every endpoint of Jira that the site answers: method, path, who may, and what answers.
"""

import asyncio
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any, NamedTuple

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from simulator.chance import share
from simulator.rest import admin_webhooks, administration, control_surface, issues, organization_users, projects, users
from simulator.rest.call import ApiCall, signed_in
from simulator.rest.response import JiraError, forbidden, json_response, unauthorized
from simulator.rest.rest_serializer import RestSerializer
from simulator.rest.search import Searches, count, search
from simulator.rest.site import ORGANIZATION_KEY, Site

Handler = Callable[[ApiCall, RestSerializer], Any]

ANYBODY = "anybody"
"""Callers without credentials get an answer too, if a poor one."""


WITH_KEY = "organization key"
"""Callers with the organization's key, and they alone."""


class Endpoint(NamedTuple):
    """An endpoint; ``needs`` is a permission, ANYBODY, WITH_KEY, or empty for any signed-in caller."""

    method: str
    path: str
    handler: Handler
    needs: str = ""
    status: int = 200

    @property
    def name(self) -> str:
        """Name under which requests are counted and faults are set."""
        return f"{self.method} {self.path}"


def _removed(_call: ApiCall, _serializer: RestSerializer) -> None:
    """Answer /search, which Jira Cloud has removed (change 2046)."""
    raise JiraError(410, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API.")


_V3 = "/rest/api/3"
_SEARCH = f"{_V3}/search/jql"
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
    Endpoint("GET", f"{_V3}/issue/{{issue}}/comment", issues.comments),
    Endpoint("POST", f"{_V3}/comment/list", issues.comment_list),
    Endpoint("GET", f"{_V3}/issue/{{issue}}/worklog", issues.worklogs),
    Endpoint("GET", f"{_V3}/worklog/updated", issues.updated_worklogs),
    Endpoint("GET", f"{_V3}/worklog/deleted", issues.deleted_worklogs),
    Endpoint("POST", f"{_V3}/worklog/list", issues.worklog_list),
    Endpoint("GET", f"{_V3}/users/search", users.all_users, "USER_PICKER"),
    Endpoint("GET", f"{_V3}/users", users.all_users, "USER_PICKER"),
    Endpoint("GET", f"{_V3}/user", users.user, "USER_PICKER"),
    Endpoint("GET", f"{_V3}/user/bulk", users.user_bulk),
    Endpoint("GET", f"{_V3}/user/groups", users.user_groups, "USER_PICKER"),
    Endpoint("GET", f"{_V3}/group/bulk", users.group_bulk, "USER_PICKER"),
    Endpoint("GET", f"{_V3}/group/member", users.group_member, "USER_PICKER"),
    Endpoint("GET", f"{_V3}/applicationrole", users.application_roles, "ADMINISTER"),
    Endpoint("GET", f"{_V3}/applicationrole/{{key}}", users.application_role, "ADMINISTER"),
    Endpoint("GET", f"{_V3}/license/approximateLicenseCount", users.approximate_count, "ADMINISTER"),
    Endpoint(
        "GET",
        f"{_V3}/license/approximateLicenseCount/product/{{key}}",
        users.approximate_product_count,
        "ADMINISTER",
    ),
    Endpoint("GET", f"{_V3}/instance/license", users.instance_license),
    Endpoint("GET", f"{_V3}/project/search", projects.project_search),
    Endpoint("GET", f"{_V3}/project/{{project}}/role", projects.project_roles, "ADMINISTER_PROJECTS"),
    Endpoint("GET", f"{_V3}/project/{{project}}/role/{{id}}", projects.project_role, "ADMINISTER_PROJECTS"),
    Endpoint("GET", f"{_V3}/role", projects.roles, "ADMINISTER"),
    Endpoint("GET", _HOOKS, admin_webhooks.webhooks, "ADMINISTER"),
    Endpoint("POST", _HOOKS, admin_webhooks.create, "ADMINISTER", 201),
    Endpoint("GET", f"{_HOOKS}/{{id}}", admin_webhooks.webhook, "ADMINISTER"),
    Endpoint("PUT", f"{_HOOKS}/{{id}}", admin_webhooks.update, "ADMINISTER"),
    Endpoint("DELETE", f"{_HOOKS}/{{id}}", admin_webhooks.delete, "ADMINISTER", 204),
    Endpoint("POST", "/admin/v2/orgs/{org}/directories/-/users/search", organization_users.search_users, WITH_KEY),
)
"""The searches are not here: they keep the pages under way, see `build_app`."""


def build_app(site: Site) -> Starlette:
    """Return the application that answers for this site."""
    serializer, searches = RestSerializer(site), Searches(site)
    found = [
        Endpoint("POST", _SEARCH, lambda call, serializer: search(call, searches, serializer), ANYBODY),
        Endpoint("GET", _SEARCH, lambda call, serializer: search(call, searches, serializer), ANYBODY),
        Endpoint("POST", f"{_V3}/search/approximate-count", lambda call, _serializer: count(call, searches), ANYBODY),
        *ENDPOINTS,
    ]

    def routes(*, gateway: bool) -> list[Route]:
        return [
            Route(one.path, _handler(site, serializer, one, gateway=gateway), methods=[one.method], name=one.name)
            for one in found
        ]

    async def tenant_info(_request: Request) -> Response:
        return json_response({"cloudId": site.cloud_id})

    return Starlette(
        routes=[
            *control_surface.routes(site),
            Route("/_edge/tenant_info", tenant_info),
            Mount(f"/ex/jira/{site.cloud_id}", routes=routes(gateway=True)),
            *routes(gateway=False),
        ]
    )


def _handler(
    site: Site, serializer: RestSerializer, endpoint: Endpoint, *, gateway: bool
) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers one endpoint: counted, delayed, throttled, checked, only then handled, and dated."""

    async def handle(request: Request) -> Response:
        number = site.requests.total()
        site.requests[endpoint.name] += 1
        if site.faults.latency_ms:
            await asyncio.sleep(site.faults.latency_ms / 1000)
        body = await request.body()
        response = _fault(site, endpoint, number) or _answer(site, serializer, endpoint, request, body, gateway=gateway)
        site.statuses[response.status_code] += 1
        response.headers["Date"] = formatdate(site.clock.now() / 1000, usegmt=True)
        if site.faults.vanish_every and (number + 1) % site.faults.vanish_every == 0:
            site.vanish(site.faults.vanish_count)
        return response

    return handle


def _fault(site: Site, endpoint: Endpoint, number: int) -> Response | None:
    """Return the failure this request is to meet, if any."""
    faults = site.faults
    if forced := faults.forced.get(endpoint.name):
        status = forced.pop(0)
        if status == 429:
            return site.throttle.refuse(faults.throttle_forms, 100)
        return JiraError(status, "Forced by the test.").response() if status != 200 else None
    if faults.burst_per_s and not site.throttle.take(endpoint.name, faults.burst_per_s, faults.burst_size):
        return site.throttle.refuse(faults.throttle_forms, int(faults.burst_per_s))
    if share(site.config.seed, number, 95) < faults.throttle_share:
        return site.throttle.refuse(faults.throttle_forms, 100)
    if share(site.config.seed, number, 96) < faults.error_share:
        after = faults.error_retry_after
        headers = {} if after is None else {"Retry-After": str(after)}
        return Response("<html><body>Service Unavailable</body></html>", 503, headers, media_type="text/html")
    return None


def _answer(
    site: Site, serializer: RestSerializer, endpoint: Endpoint, request: Request, raw: bytes, *, gateway: bool
) -> Response:
    """Return the answer proper."""
    try:
        known = signed_in(site, request.headers, gateway=gateway)
        if endpoint.needs == WITH_KEY:
            known = request.headers.get("authorization") == f"Bearer {ORGANIZATION_KEY}" and not gateway
        if not known and endpoint.needs != ANYBODY:
            raise unauthorized()
        if endpoint.needs not in ("", ANYBODY, WITH_KEY) and endpoint.needs not in site.faults.permissions:
            raise forbidden(endpoint.needs)
        try:
            body = msgspec.json.decode(raw) if raw else None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise JiraError(400, "There was an error parsing JSON. Check that your request body is valid.") from error
        call = ApiCall(site, request.path_params, request.query_params, body, known)
        if endpoint.path != _SEARCH and endpoint.needs != WITH_KEY:  # a search knows only later what it has to write
            requested = call.requested_ids()
            call.fail_if_broken(endpoint.name, requested, max(1, len(requested)))
        value = endpoint.handler(call, serializer)
    except JiraError as error:
        return error.response()
    return json_response(value, endpoint.status)
