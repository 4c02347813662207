"""Every call Rollcall makes is in Atlassian's OpenAPI file, with its parameters, and within its limits."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.checks.jira_site import access_findings
from reconcile.client import endpoints
from reconcile.client.endpoints import IN_OPENAPI_FILE, Endpoint
from reconcile.client.jira_client import connected
from reconcile.progress import LoggedProgress
from reconcile.publisher import NoExistingFacts
from reconcile.responses import Myself
from reconcile.run import RunContext, RunOptions, read_site
from reconcile.state.run_state import temporary_state

from .site import config, hurried, jira_site, settings_for

SPEC: dict[str, Any] = json.loads((Path(__file__).parent / "samples" / "openapi-requests.json").read_text())

OUTSIDE = {
    "/_edge/tenant_info",
    "/rest/webhooks/1.0/webhook",
    "/rest/webhooks/1.0/webhook/{id}",
    "/admin/v2/orgs/{orgId}/directories/-/users/search",
}
"""Known from Atlassian's webhooks page and from clients; Jira's OpenAPI file does not have them."""


def every_endpoint() -> list[Endpoint]:
    return [value for value in vars(endpoints).values() if isinstance(value, Endpoint)]


def test_every_endpoint_is_in_the_file_and_not_deprecated() -> None:
    listed = {endpoint for endpoint in every_endpoint() if endpoint.path not in OUTSIDE}
    assert listed == set(IN_OPENAPI_FILE)
    for endpoint in listed:
        described = SPEC[f"{endpoint.method} {endpoint.path}"]
        assert not described["deprecated"]
        names = [part.strip("{}") for part in endpoint.path.split("/") if part.startswith("{")]
        assert described["path"] == sorted(names)


class Watching(httpx.AsyncHTTPTransport):
    """Notes every request."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        return await super().handle_async_request(request)


def described(request: httpx.Request) -> dict[str, Any]:
    path = request.url.path.split("/")
    for endpoint in IN_OPENAPI_FILE:
        parts = endpoint.path.split("/")
        same = len(parts) == len(path) and all(a == b or a.startswith("{") for a, b in zip(parts, path, strict=True))
        if same and endpoint.method == request.method:
            found: dict[str, Any] = SPEC[f"{endpoint.method} {endpoint.path}"]
            return found
    raise AssertionError(f"{request.method} {request.url.path} is no call that Rollcall should make")


@pytest.mark.anyio
async def test_every_request_of_a_run_uses_documented_parameters(tmp_path: Path) -> None:
    watching = Watching()
    async with jira_site(config(people=5, acts_per_day=1.0)) as jira:
        settings = settings_for(jira.url, tmp_path)
        acme = settings.sites["acme"]
        async with connected("acme", acme, settings.reconcile, hurried(), watching) as client:
            with temporary_state() as state:
                context = RunContext("acme", settings, client, None, NoExistingFacts(), state, LoggedProgress("acme"))
                await read_site(context, RunOptions())
            assert [finding.ok async for finding in access_findings("acme", client, Myself())]
    for request in watching.seen:
        spec = described(request)
        names = set(request.url.params.keys())
        assert names <= set(spec["query"]), request.url
        assert set(spec["required"]) <= names
        body = json.loads(request.content) if request.content else {}
        assert body.keys() <= spec["body"].keys(), request.url
        if "issueIdsOrKeys" in body:
            assert 1 <= len(body["issueIdsOrKeys"]) <= 1000
            assert body["maxResults"] <= 10_000
        if "ids" in body:
            assert 1 <= len(body["ids"]) <= 1000
    asked = {(request.method, tuple(described(request)["path"])) for request in watching.seen}
    assert len(asked) > 3
