"""Paging, caps and quirks of the REST API, each as jira-cloud.md or Atlassian's file tells them."""

from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from simulator import SiteConfig
from simulator.config import DAY_MS, MINUTE_MS
from simulator.life.stream import acts
from simulator.rest.site import SCOPED_TOKEN, Site

from .conftest import client_of
from .walk import V3, ms, search_all

pytestmark = pytest.mark.anyio


async def post(client: httpx.AsyncClient, path: str, **body: Any) -> Any:
    return (await client.post(f"{V3}{path}", json=body)).raise_for_status().json()


async def get(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    return (await client.get(f"{V3}{path}", params=params)).raise_for_status().json()


async def test_pages_hold_5000_ids_and_100_of_anything_else() -> None:
    crowd = SiteConfig(seed=3, people=8, days=8, crowd=5_001, now_ms=1_795_000_000_000)
    async with client_of(Site(crowd)) as client:
        page = await post(client, "/search/jql", jql="created >= -31d", maxResults=9_999)
        assert len(page["issues"]) == 5_000
        assert not page["isLast"]
        assert all(set(issue) == {"id"} for issue in page["issues"])
        rest = await post(
            client, "/search/jql", jql="created >= -31d", maxResults=9_999, nextPageToken=page["nextPageToken"]
        )
        assert rest["isLast"]
        assert "nextPageToken" not in rest
        ids = [issue["id"] for issue in page["issues"] + rest["issues"]]
        assert len(set(ids)) == len(ids) > 5_001
        assert await post(client, "/search/approximate-count", jql="created >= -31d") == {"count": len(ids)}
        for fields in (["summary"], ["id", "created"], ["*all"]):
            page = await post(client, "/search/jql", jql="created >= -31d", maxResults=5_000, fields=fields)
            assert len(page["issues"]) == 100
        assert len((await post(client, "/search/jql", jql="created >= -31d"))["issues"]) == 50


async def test_embedded_lists_are_cut_and_say_how_many_there_are(site: Site, client: httpx.AsyncClient) -> None:
    issue = await get(client, "/issue/10000")
    assert len(issue["fields"]["comment"]["comments"]) == 20
    assert issue["fields"]["comment"]["total"] == 129
    issue = await get(client, "/issue/10002", expand="changelog", fields="summary")
    histories = issue["changelog"]["histories"]
    assert len(histories) == 40
    assert issue["changelog"]["total"] == 150
    assert histories == sorted(histories, key=lambda one: one["created"], reverse=True), "newest first"
    issue = await get(client, "/issue/10004")
    assert len(issue["fields"]["worklog"]["worklogs"]) == 20
    assert issue["fields"]["worklog"]["total"] == 34
    site.faults.embedded_comments = 5
    found = await search_all(client, "id = 10000", fields=["comment"])
    assert len(found[0]["fields"]["comment"]["comments"]) == 5


async def test_lists_of_one_issue_page_by_100(client: httpx.AsyncClient) -> None:
    page = await get(client, "/issue/10002/changelog", maxResults=1_000)
    assert (len(page["values"]), page["total"], page["isLast"]) == (100, 150, False)
    times = [ms(one["created"]) for one in page["values"]]
    assert times == sorted(times), "oldest first"
    assert page["nextPage"].startswith("https://acme.atlassian.net/")
    page = await get(client, "/issue/10000/comment", maxResults=1_000, orderBy="-created")
    assert len(page["comments"]) == 100
    assert "isLast" not in page
    times = [ms(one["created"]) for one in page["comments"]]
    assert times == sorted(times, reverse=True)
    assert (await client.get(f"{V3}/issue/10000/comment", params={"orderBy": "updated"})).status_code == 400
    assert len((await get(client, "/issue/10004/worklog"))["worklogs"]) == 34


async def test_bulk_changelogs_are_oldest_first_over_all_issues(client: httpx.AsyncClient) -> None:
    ids = ["10002", "10003", "10004", "999"]
    found: list[tuple[int, str, str]] = []
    token, pages = None, 0
    while True:
        page = await post(client, "/changelog/bulkfetch", issueIdsOrKeys=ids, maxResults=100, nextPageToken=token)
        rows = [
            (h["created"], log["issueId"], h["id"]) for log in page["issueChangeLogs"] for h in log["changeHistories"]
        ]
        assert len(rows) <= 100
        assert not found or min(rows) >= max(found)
        found += sorted(rows)
        pages += 1
        token = page["nextPageToken"]
        if token is None:
            break
    assert pages == 4
    assert {issue for _, issue, _ in found} == {"10002", "10003", "10004"}
    assert len({history for _, _, history in found}) == len(found) == 150 + 150 + 37
    some = await post(client, "/changelog/bulkfetch", issueIdsOrKeys=ids, fieldIds=["status"])
    assert sum(len(log["changeHistories"]) for log in some["issueChangeLogs"]) == 100
    wrong: list[dict[str, Any]] = [
        {"issueIdsOrKeys": []},
        {"issueIdsOrKeys": ["1"] * 1_001},
        {"issueIdsOrKeys": ["1"], "maxResults": 10_001},
        {"issueIdsOrKeys": ["1"], "fieldIds": [str(one) for one in range(11)]},
        {"issueIdsOrKeys": ["1"], "nextPageToken": "!"},
    ]
    for body in wrong:
        assert (await client.post(f"{V3}/changelog/bulkfetch", json=body)).status_code == 400


async def test_a_page_of_the_feed_cuts_through_a_millisecond(site: Site, client: httpx.AsyncClient) -> None:
    at = site.config.now_ms - 10 * DAY_MS + 5 * MINUTE_MS
    page = await get(client, "/worklog/updated", since=at)
    assert len(page["values"]) == 1_000
    assert {value["updatedTime"] for value in page["values"]} == {at}
    assert (page["since"], page["until"], page["lastPage"]) == (at, at, False)
    assert page["nextPage"] == f"https://acme.atlassian.net/rest/api/3/worklog/updated?since={at}"
    assert (await get(client, "/worklog/updated", since=page["until"]))["values"] == page["values"], "no way on"
    site.faults.feed_ties = "whole"
    assert len((await get(client, "/worklog/updated", since=at))["values"]) == 1_200


async def test_the_feeds_leave_out_the_last_minute(config: SiteConfig, site: Site, client: httpx.AsyncClient) -> None:
    later = next(act for act in acts(config, config.now_ms) if act.kind == "worklog_created" and act.entry)
    assert later.entry is not None

    async def listed() -> bool:
        values = (await get(client, "/worklog/updated", since=config.now_ms))["values"]
        return any(value["worklogId"] == later.entry.id for value in values if later.entry)

    site.clock.advance(later.at - config.now_ms + MINUTE_MS)
    assert not await listed()
    site.clock.advance(1)
    assert await listed()
    assert await post(client, "/worklog/list", ids=[later.entry.id])


async def test_deleted_worklogs_are_listed_without_anybody(client: httpx.AsyncClient) -> None:
    page = await get(client, "/worklog/deleted")
    assert page["values"]
    assert all(set(value) == {"worklogId", "updatedTime", "properties"} for value in page["values"])
    assert await post(client, "/worklog/list", ids=[value["worklogId"] for value in page["values"]]) == []


async def test_worklogs_are_filtered_by_when_they_were_for(client: httpx.AsyncClient) -> None:
    worklogs = (await get(client, "/issue/10004/worklog"))["worklogs"]
    cutoff = sorted(ms(one["started"]) for one in worklogs)[10]
    later = (await get(client, "/issue/10004/worklog", startedAfter=cutoff))["worklogs"]
    assert {one["id"] for one in later} == {one["id"] for one in worklogs if ms(one["started"]) > cutoff}
    assert any(ms(one["started"]) < ms(one["created"]) - DAY_MS for one in worklogs)


async def test_ids_of_webhooks_are_ids_of_rest(config: SiteConfig, client: httpx.AsyncClient) -> None:
    told = [act for act in acts(config, None, config.now_ms) if act.gone > config.now_ms]
    change = next(act for act in reversed(told) if act.kind == "issue_changed")
    path = f"/issue/{change.issue.id}/changelog/list"
    page = await post(client, path, changelogIds=[change.history])
    assert [history["id"] for history in page["histories"]] == [str(change.history)]
    created = next(act for act in reversed(told) if act.kind == "issue_created")
    assert (await post(client, f"/issue/{created.issue.id}/changelog/list", changelogIds=[created.history]))[
        "total"
    ] == 0


async def test_groups_page_by_50_and_hide_the_inactive() -> None:
    config = SiteConfig(seed=5, people=300, days=20, now_ms=1_795_000_000_000)
    site = Site(config)
    async with client_of(site) as client:
        group = (await get(client, "/group/bulk", applicationKey="jira-software", accessType="user"))["values"][0]
        members: list[dict[str, Any]] = []
        while True:
            params = {"groupId": group["groupId"], "startAt": len(members), "maxResults": 1_000}
            page = await get(client, "/group/member", **params)
            assert len(page["values"]) <= 50
            members += page["values"]
            if page["isLast"]:
                break
        assert len(members) == page["total"] > 50
        assert all(member["active"] for member in members)
        everybody = await get(client, "/group/member", groupId=group["groupId"], includeInactiveUsers="true")
        assert everybody["total"] > page["total"]
        users: list[dict[str, Any]] = []
        while page := await get(client, "/users/search", startAt=len(users), maxResults=100):
            users += page
        assert len(users) == 300 + 5 + 30
        former = [user for user in users if user["displayName"] == "Former user"]
        assert former
        assert not any(user["active"] for user in former)
        absent = {user["accountId"] for user in users if "emailAddress" not in user}
        null = {user["accountId"] for user in users if user.get("emailAddress", "") is None}
        assert absent
        assert null
        hidden = {person.account_id for person in site.directory.people if person.email_hidden}
        assert absent | null == hidden - {user["accountId"] for user in former}
        assert all(user["emailAddress"] == "" for user in former)
        assert (await get(client, "/group/bulk", accessType="site-admin"))["total"] == 1


async def test_a_removed_user_leaves_a_hole_and_a_former_name(site: Site, client: httpx.AsyncClient) -> None:
    page = await get(client, "/users/search", maxResults=10)
    site.directory.remove_user(page[4]["accountId"])
    short = await get(client, "/users/search", maxResults=10)
    assert len(short) == 9
    assert (await client.get(f"{V3}/user", params={"accountId": page[4]["accountId"]})).status_code == 404


async def test_issues_are_found_by_every_key_they_ever_had(config: SiteConfig, client: httpx.AsyncClient) -> None:
    moved = next(
        act for act in acts(config, None, config.now_ms) if act.event == "issue_moved" and act.gone > config.now_ms
    )
    old, new = moved.items[1][4], moved.items[1][6]
    assert (
        (await get(client, f"/issue/{old}"))["id"] == (await get(client, f"/issue/{new}"))["id"] == str(moved.issue.id)
    )
    for name in ("NOPE", "NOPE-1", "1", "10000000000"):
        assert (await client.get(f"{V3}/issue/{name}")).status_code == 404
    bulk = await post(client, "/issue/bulkfetch", issueIdsOrKeys=[str(old), "5"])
    assert ([one["id"] for one in bulk["issues"]], bulk["issueErrors"][0]["id"]) == ([str(moved.issue.id)], "5")
    assert (await client.post(f"{V3}/issue/bulkfetch", json={"issueIdsOrKeys": ["1"] * 101})).status_code == 400


async def test_the_old_search_is_gone(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{V3}/search")).status_code == 410
    assert (await client.post(f"{V3}/search", json={"jql": "id = 1"})).status_code == 410


@pytest.mark.parametrize("path", ["/comment/list", "/worklog/list"])
async def test_lists_of_ids_hold_1_to_1000(client: httpx.AsyncClient, path: str) -> None:
    for ids in ([], list(range(1_001)), ["x"], None):
        assert (await client.post(f"{V3}{path}", json={"ids": ids})).status_code == 400


async def test_strangers_and_wrong_tokens(site: Site, client: httpx.AsyncClient) -> None:
    for auth in (None, ("svc@acme.example", "wrong")):
        async with client_of(site) as stranger:
            stranger.auth = auth  # type: ignore[assignment]  # httpx takes it
            assert (await stranger.get(f"{V3}/myself")).status_code == 401
            assert (await stranger.get(f"{V3}/applicationrole")).status_code == 401
            assert (await stranger.get(f"{V3}/serverInfo")).status_code == 200
            empty = await stranger.post(f"{V3}/search/jql", json={"jql": "updated >= -31d"})
            assert empty.json() == {"issues": [], "isLast": True}, "like an empty site"
            wanted = {"permissions": "ADMINISTER"}
            held = (await stranger.get(f"{V3}/mypermissions", params=wanted)).json()["permissions"]
            assert not held["ADMINISTER"]["havePermission"]


async def test_missing_permissions_are_403(site: Site, client: httpx.AsyncClient) -> None:
    site.faults.permissions = ["BROWSE_PROJECTS"]
    for path in ("/applicationrole", "/users/search", "/group/member", "/auditing/record", "/role"):
        assert (await client.get(f"{V3}{path}")).status_code == 403
    assert (await client.get("/rest/webhooks/1.0/webhook")).status_code == 403
    assert (await client.get(f"{V3}/myself")).status_code == 200


async def test_the_gateway_takes_scoped_tokens_and_the_site_does_not(site: Site) -> None:
    async with client_of(site) as client:
        cloud_id = (await client.get("/_edge/tenant_info")).json()["cloudId"]
    async with client_of(site, f"/ex/jira/{cloud_id}") as gateway:
        assert (await gateway.get(f"{V3}/myself")).status_code == 200
        gateway.auth = ("svc@acme.example", SCOPED_TOKEN)
        assert (await gateway.get(f"{V3}/myself")).status_code == 200
    async with client_of(site) as client:
        client.auth = ("svc@acme.example", SCOPED_TOKEN)
        assert (await client.get(f"{V3}/myself")).status_code == 401


async def test_a_free_plan_has_no_audit_log(site: Site, client: httpx.AsyncClient) -> None:
    page = await get(client, "/auditing/record", filter="nothing", limit=5)
    assert page["records"] == []
    assert page["total"] > 0, "the total ignores the filter"
    site.faults.free_plan = True
    assert (await client.get(f"{V3}/auditing/record")).status_code == 403
    plans = (await get(client, "/instance/license"))["applications"]
    assert {plan["plan"] for plan in plans} == {"FREE"}


async def test_bodies_that_are_no_json_are_400(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{V3}/search/jql", content=b"{")
    assert answer.status_code == 400
    assert (await client.post(f"{V3}/search/jql", json={"jql": "id = 1", "fields": 7})).status_code == 400


async def test_every_answer_is_dated_by_the_sites_clock() -> None:
    site = Site(SiteConfig(seed=3, people=3, days=3, now_ms=1_795_000_000_000))
    async with client_of(site) as client:
        for path in ("/myself", "/issue/none"):
            site.clock.advance(MINUTE_MS)
            dated = parsedate_to_datetime((await client.get(f"{V3}{path}")).headers["date"])
            assert dated.timestamp() * 1000 == site.clock.now()
