"""What goes wrong on demand: lag, 429s in every form, 503s, entities that vanish; and the control surface."""

import json
from collections import Counter
from typing import Any

import httpx
import pytest

from simulator import SiteConfig
from simulator.config import DAY_MS
from simulator.rest.faults import Throttle
from simulator.rest.site import Site

from .walk import V3, search_all

pytestmark = pytest.mark.anyio


async def control(client: httpx.AsyncClient, what: str, **body: Any) -> Any:
    return (await client.post(f"/_simulator/{what}", json=body)).raise_for_status().json()


async def test_429_comes_in_every_form(client: httpx.AsyncClient) -> None:
    forms = ["burst", "quota", "html", "json", "bare", "zero"]
    await control(client, "faults", throttle_share=1.0, throttle_forms=forms)
    answers = {form: await client.get(f"{V3}/myself") for form in forms}
    assert {answer.status_code for answer in answers.values()} == {429}
    waits = {form: answer.headers.get("retry-after") for form, answer in answers.items()}
    assert waits == {"burst": "1", "quota": "2", "html": "1", "json": "1", "bare": None, "zero": "0"}
    assert answers["burst"].headers["ratelimit-reason"] == "jira-burst-based"
    assert answers["quota"].headers["ratelimit-reason"] == "jira-quota-global-based"
    assert answers["quota"].headers["x-ratelimit-nearlimit"] == "true"
    assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"} <= set(answers["burst"].headers)
    for form in ("html", "bare"):
        with pytest.raises(json.JSONDecodeError):
            answers[form].json()
    assert answers["json"].json()["errorMessages"] == ["The request has been rate-limited. Please try again later."]


async def test_the_burst_limit_is_of_one_endpoint(client: httpx.AsyncClient) -> None:
    await control(client, "faults", burst_per_s=0.0001, burst_size=3)
    assert [(await client.get(f"{V3}/myself")).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    assert (await client.get(f"{V3}/serverInfo")).status_code == 200


def test_buckets_fill_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("simulator.rest.faults.time.monotonic", lambda: now)
    throttle = Throttle()
    assert [throttle.take("GET /x", 2, 2) for _ in range(3)] == [True, True, False]
    now = 0.5
    assert [throttle.take("GET /x", 2, 2) for _ in range(2)] == [True, False]


async def test_a_share_of_503s(client: httpx.AsyncClient) -> None:
    await control(client, "faults", error_share=0.2, error_retry_after=3)
    answers = [await client.get(f"{V3}/serverInfo") for _ in range(200)]
    statuses = Counter(answer.status_code for answer in answers)
    assert 20 < statuses[503] < 65
    assert {answer.headers.get("retry-after") for answer in answers if answer.status_code == 503} == {"3"}


async def test_the_next_answers_can_be_forced(client: httpx.AsyncClient) -> None:
    await control(client, "faults", forced={f"GET {V3}/users/search": [200, 500, 429]})
    statuses = [(await client.get(f"{V3}/users/search")).status_code for _ in range(4)]
    assert statuses == [200, 500, 429, 200]


async def test_the_search_index_lags_behind_the_store(
    config: SiteConfig, site: Site, client: httpx.AsyncClient
) -> None:
    jql = "updated >= -1d ORDER BY updated DESC"
    before = await search_all(client, jql, maxResults=5_000)
    await control(client, "faults", search_lag_ms=DAY_MS)
    await control(client, "clock", advance_ms=20 * 3_600_000)
    stale = await search_all(client, f"created >= {-400}d", maxResults=5_000)
    await control(client, "faults", search_lag_ms=0)
    fresh = await search_all(client, f"created >= {-400}d", maxResults=5_000)
    unseen = {one["id"] for one in fresh} - {one["id"] for one in stale}
    assert before
    assert unseen, "issues born in these hours"
    newest = max(unseen, key=int)
    assert (await client.get(f"{V3}/issue/{newest}")).status_code == 200


async def test_asking_to_reconcile_shows_an_issue_at_once(
    config: SiteConfig, site: Site, client: httpx.AsyncClient
) -> None:
    await control(client, "faults", search_lag_ms=DAY_MS)
    site.now()
    site.clock.advance(20 * 3_600_000)
    known = {one["id"] for one in await search_all(client, "created >= -400d", maxResults=5_000)}
    ahead = Site(config, site.clock)
    ahead.now()
    newest = max(set(map(str, ahead.index.rows)) - known, key=int)
    found = await search_all(client, "created >= -400d", maxResults=5_000, reconcileIssues=[int(newest)])
    assert newest in {one["id"] for one in found}


async def test_short_pages_lose_nothing(client: httpx.AsyncClient) -> None:
    whole = await search_all(client, "created >= -400d ORDER BY id", fields=["created"], maxResults=50)
    await control(client, "faults", short_page_share=0.5)
    short = await search_all(client, "created >= -400d ORDER BY id", fields=["created"], maxResults=50)
    assert [one["id"] for one in short] == [one["id"] for one in whole]


async def test_entities_vanish_between_two_calls(site: Site, client: httpx.AsyncClient) -> None:
    page = (
        await client.post(f"{V3}/search/jql", json={"jql": "id >= 1 ORDER BY id", "fields": ["id"], "maxResults": 5})
    ).json()
    token = page["nextPageToken"]
    whole = await search_all(client, "id >= 1 ORDER BY id", fields=["created"], maxResults=10)
    gone = [whole[7]["id"], page["issues"][0]["id"]]
    assert (await control(client, "vanish", issues=gone))["issues"] == [int(one) for one in gone]
    assert (await client.get(f"{V3}/issue/{gone[0]}")).status_code == 404
    assert (await client.get(f"{V3}/issue/{gone[0]}/changelog")).status_code == 404
    bulk = await client.post(f"{V3}/changelog/bulkfetch", json={"issueIdsOrKeys": gone})
    assert bulk.json() == {"issueChangeLogs": [], "nextPageToken": None}
    after = {"jql": "id >= 1 ORDER BY id", "fields": ["created"], "maxResults": 5, "nextPageToken": token}
    short = (await client.post(f"{V3}/search/jql", json=after)).json()
    assert len(short["issues"]) == 4, "a page in the middle of a search holds what is left"
    later = {one["id"] for one in await search_all(client, "id >= 1", maxResults=5_000)}
    assert not later & set(gone)
    comment = (await client.get(f"{V3}/issue/10001/comment")).json()["comments"][0]["id"]
    await control(client, "vanish", entries=[comment])
    assert (await client.post(f"{V3}/comment/list", json={"ids": [int(comment)]})).json()["values"] == []


async def test_entities_vanish_by_themselves(site: Site, client: httpx.AsyncClient) -> None:
    site.now()
    await control(client, "faults", vanish_every=5, vanish_count=3)
    for _ in range(10):
        await client.get(f"{V3}/serverInfo")
    stats = (await client.get("/_simulator/stats")).json()
    assert 1 <= len(stats["vanished"]["issues"]) <= 6


async def test_requests_are_counted_by_endpoint(client: httpx.AsyncClient) -> None:
    await client.get(f"{V3}/issue/10000")
    await client.get(f"{V3}/issue/10001")
    await client.get(f"{V3}/issue/4")
    stats = (await client.get("/_simulator/stats")).json()
    assert stats["requests"] == {f"GET {V3}/issue/{{issue}}": 3}
    assert stats["statuses"] == {"200": 2, "404": 1}
    await control(client, "reset")
    assert (await client.get("/_simulator/stats")).json()["requests"] == {}


async def test_latency_is_waited_out(client: httpx.AsyncClient) -> None:
    await control(client, "faults", latency_ms=1)
    assert (await client.get(f"{V3}/serverInfo")).status_code == 200


async def test_the_control_surface_refuses_nonsense(client: httpx.AsyncClient) -> None:
    for what, body in (
        ("faults", {"no_such_fault": 1}),
        ("clock", {"advance_ms": -1}),
        ("directory", {"remove_user": "nobody"}),
        ("directory", {"move_license": {"account_id": "x", "source": "jira-core", "target": "nothing"}}),
        ("vanish", {"issues": ["x"]}),
    ):
        assert (await client.post(f"/_simulator/{what}", json=body)).status_code == 400


async def test_the_directory_changes_on_request(site: Site, client: httpx.AsyncClient) -> None:
    rows = [json.loads(line) for line in (await client.get("/_simulator/directory")).text.splitlines()]
    holder = next(row["account_id"] for row in rows if row["kind"] == "license" and row["product"] == "jira-software")
    await control(client, "directory", set_member={"group": "office", "account_id": holder, "member": True})
    await control(
        client, "directory", move_license={"account_id": holder, "source": "jira-core", "target": "jira-servicedesk"}
    )
    rows = [json.loads(line) for line in (await client.get("/_simulator/directory")).text.splitlines()]
    held = {row["product"] for row in rows if row["kind"] == "license" and row["account_id"] == holder}
    assert {"jira-servicedesk", "jira-software"} <= held
    await control(client, "directory", remove_user=holder)
    rows = [json.loads(line) for line in (await client.get("/_simulator/directory")).text.splitlines()]
    assert all(row.get("account_id") != holder for row in rows)


async def test_the_truth_is_told_over_http(config: SiteConfig, client: httpx.AsyncClient) -> None:
    until = config.start_ms + DAY_MS
    answer = await client.get("/_simulator/truth", params={"since": config.start_ms, "until": until})
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert rows
    assert all(config.start_ms <= (row["webhook_at"] or row["rest_at"]) < until + 1_000 for row in rows)
