"""Every REST answer is valid by Atlassian's own schema of it."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from simulator.rest.endpoints import ENDPOINTS
from simulator.rest.state import Site

from .walk import V3

pytestmark = pytest.mark.anyio

HERE = Path(__file__).parent / "schemas"
COMPONENTS = json.loads((HERE / "components.json").read_text())
SCHEMAS = json.loads((HERE / "endpoints.json").read_text())


def check(call: str, answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    schema = {**SCHEMAS[call], "components": {"schemas": COMPONENTS}}
    errors = [
        f"{error.json_path}: {error.message[:200]}" for error in Draft202012Validator(schema).iter_errors(answer.json())
    ]
    assert not errors, f"{call}: {errors[:5]}"
    return answer.json()


def test_every_endpoint_of_the_openapi_file_is_checked() -> None:
    removed = f"{V3}/search"
    ours = {one.name.replace(V3, "") for one in ENDPOINTS if one.path.startswith(V3) and one.path != removed}
    renamed = {
        "{issue}": "{issueIdOrKey}",
        "{project}": "{projectIdOrKey}",
        "product/{key}": "product/{applicationKey}",
    }
    for short, long in renamed.items():
        ours = {name.replace(short, long) for name in ours}
    ours |= {"POST /search/jql", "GET /search/jql", "POST /search/approximate-count"}
    assert ours == set(SCHEMAS)


async def test_people_and_licenses(site: Site, client: httpx.AsyncClient) -> None:
    site.directory.remove_user(site.directory.people[9].account_id)
    check("GET /myself", await client.get(f"{V3}/myself"))
    users = check("GET /users/search", await client.get(f"{V3}/users/search", params={"maxResults": 1000}))
    check("GET /users", await client.get(f"{V3}/users"))
    account = {"accountId": users[3]["accountId"]}
    check("GET /user", await client.get(f"{V3}/user", params=account | {"expand": "groups,applicationRoles"}))
    check("GET /user/bulk", await client.get(f"{V3}/user/bulk", params=account))
    check("GET /user/groups", await client.get(f"{V3}/user/groups", params=account))
    groups = check("GET /group/bulk", await client.get(f"{V3}/group/bulk"))
    for group in groups["values"]:
        check("GET /group/member", await client.get(f"{V3}/group/member", params={"groupId": group["groupId"]}))
    check("GET /applicationrole", await client.get(f"{V3}/applicationrole"))
    check("GET /applicationrole/{key}", await client.get(f"{V3}/applicationrole/jira-software"))
    check("GET /license/approximateLicenseCount", await client.get(f"{V3}/license/approximateLicenseCount"))
    product = f"{V3}/license/approximateLicenseCount/product/jira-core"
    check("GET /license/approximateLicenseCount/product/{applicationKey}", await client.get(product))
    check("GET /instance/license", await client.get(f"{V3}/instance/license"))


async def test_projects_and_administration(client: httpx.AsyncClient) -> None:
    check("GET /serverInfo", await client.get(f"{V3}/serverInfo"))
    wanted = {"permissions": "ADMINISTER,USER_PICKER,BROWSE_PROJECTS"}
    check("GET /mypermissions", await client.get(f"{V3}/mypermissions", params=wanted))
    projects = check("GET /project/search", await client.get(f"{V3}/project/search"))["values"]
    roles = check("GET /project/{projectIdOrKey}/role", await client.get(f"{V3}/project/{projects[0]['key']}/role"))
    for link in roles.values():
        number = link.rpartition("/")[2]
        path = f"{V3}/project/{projects[0]['id']}/role/{number}"
        check("GET /project/{projectIdOrKey}/role/{id}", await client.get(path))
    check("GET /role", await client.get(f"{V3}/role"))
    check("GET /auditing/record", await client.get(f"{V3}/auditing/record"))
    asked = {
        "globalPermissions": ["ADMINISTER"],
        "projectPermissions": [
            {"permissions": ["BROWSE_PROJECTS"], "projects": [int(projects[0]["id"])], "issues": []}
        ],
    }
    check("POST /permissions/check", await client.post(f"{V3}/permissions/check", json=asked))


async def test_issues_and_all_in_them(site: Site, client: httpx.AsyncClient) -> None:
    jql = {"jql": "updated >= -31d", "maxResults": 100, "fields": ["*all"], "expand": "changelog"}
    found = check("POST /search/jql", await client.post(f"{V3}/search/jql", json=jql))
    check("GET /search/jql", await client.get(f"{V3}/search/jql", params={"jql": "updated >= -31d"}))
    count = {"jql": "updated >= -31d"}
    check("POST /search/approximate-count", await client.post(f"{V3}/search/approximate-count", json=count))
    ids = [issue["id"] for issue in found["issues"]]
    check(
        "POST /issue/bulkfetch", await client.post(f"{V3}/issue/bulkfetch", json={"issueIdsOrKeys": [*ids[:50], "1"]})
    )
    site.faults.bulk_created = "iso"
    check("POST /changelog/bulkfetch", await client.post(f"{V3}/changelog/bulkfetch", json={"issueIdsOrKeys": ids}))
    # The hard cases: an issue beyond every cap each.
    for number in ("10000", "10002", "10004"):
        path = f"{V3}/issue/{number}"
        check("GET /issue/{issueIdOrKey}", await client.get(path, params={"expand": "changelog"}))
        page = check("GET /issue/{issueIdOrKey}/changelog", await client.get(f"{path}/changelog"))
        if page["values"]:
            asked = {"changelogIds": [int(page["values"][0]["id"])]}
            listed = await client.post(f"{path}/changelog/list", json=asked)
            assert check("POST /issue/{issueIdOrKey}/changelog/list", listed)["total"] == 1
        comments = check("GET /issue/{issueIdOrKey}/comment", await client.get(f"{path}/comment"))["comments"]
        if comments:
            asked = {"ids": [int(comment["id"]) for comment in comments]}
            check("POST /comment/list", await client.post(f"{V3}/comment/list", json=asked))
        check("GET /issue/{issueIdOrKey}/worklog", await client.get(f"{path}/worklog"))


async def test_worklog_feeds(client: httpx.AsyncClient) -> None:
    feed = check("GET /worklog/updated", await client.get(f"{V3}/worklog/updated"))
    check("GET /worklog/deleted", await client.get(f"{V3}/worklog/deleted"))
    ids = {"ids": [value["worklogId"] for value in feed["values"]]}
    assert check("POST /worklog/list", await client.post(f"{V3}/worklog/list", json=ids))


@pytest.mark.parametrize(("form", "kind"), [("iso", str), ("epoch_ms", int), ("epoch_ms_string", str)])
async def test_bulk_changelogs_write_created_in_any_form_seen(
    site: Site, client: httpx.AsyncClient, form: Any, kind: type
) -> None:
    site.faults.bulk_created = form
    answer = await client.post(f"{V3}/changelog/bulkfetch", json={"issueIdsOrKeys": ["10002"], "maxResults": 1})
    created = answer.json()["issueChangeLogs"][0]["changeHistories"][0]["created"]
    assert isinstance(created, kind)
    assert (form == "epoch_ms_string") == str(created).isdigit() or form == "epoch_ms"
