"""A registration is obeyed as it stands when a webhook goes out: its URL, secret, excludeBody and filter."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import httpx
import pytest

from simulator import SiteConfig
from simulator.clock import SiteClock
from simulator.config import DAY_MS
from simulator.hooks.delivery import Announcer, signature
from simulator.hooks.registry import EVENTS, Webhook
from simulator.life.stream import acts
from simulator.rest.admin_webhooks import SECTION, passes_filter
from simulator.rest.site import EMAIL, TOKEN, Site
from simulator.server import running

from .conftest import NOW
from .receiver import Received, Receiver, receiving

pytestmark = pytest.mark.anyio

HOOKS = "/rest/webhooks/1.0/webhook"
LIVE = SiteConfig(seed=6, people=15, days=1, now_ms=NOW, live_start_ms=NOW, live_per_minute=30)
MINUTES_MS = 600_000


@pytest.fixture
async def live() -> AsyncIterator[httpx.AsyncClient]:
    async with (
        running(Site(LIVE, SiteClock(NOW))) as address,
        httpx.AsyncClient(base_url=address, auth=(EMAIL, TOKEN)) as client,
    ):
        yield client


async def register(client: httpx.AsyncClient, url: str, **more: Any) -> str:
    body = {"name": "t", "url": url, "events": EVENTS, **more}
    made = (await client.post(HOOKS, json=body)).raise_for_status().json()
    with anyio.fail_after(10):
        while not (await client.get("/_simulator/stats")).json()["deliveries"]:
            await anyio.sleep(0.02)
    return f"{HOOKS}/{made['self'].rpartition('/')[2]}"


async def ten_minutes(client: httpx.AsyncClient) -> None:
    (await client.post("/_simulator/clock", json={"advance_ms": MINUTES_MS})).raise_for_status()


async def all_in(receiver: Receiver, begin: int, wanted: Callable[[Any, Any], bool] = lambda _one, _act: True) -> int:
    """Wait for what ten minutes of the site bring; returns how many that is."""
    announcer = Announcer(LIVE)
    count = sum(wanted(one, act) for act in acts(LIVE, begin, begin + MINUTES_MS) for one in announcer.deliveries(act))
    with anyio.fail_after(20):
        while len(receiver.received) < count:
            await anyio.sleep(0.02)
    await anyio.sleep(0.1)
    assert len(receiver.received) == count
    assert count > 20
    return count


def signed(one: Received, secret: str) -> bool:
    return one.headers.get("x-hub-signature") == signature(secret, one.body)


async def test_a_new_url_and_secret_count_from_the_next_webhook_on(live: httpx.AsyncClient) -> None:
    async with receiving() as first, receiving() as second:
        hook = await register(live, first.url, secret="old")
        await ten_minutes(live)
        await all_in(first, NOW)
        await live.put(hook, json={"secret": "new", "url": second.url})
        await ten_minutes(live)
        await all_in(second, NOW + MINUTES_MS)
        await live.put(hook, json={"secret": ""})
        begin = len(second.received)
        await ten_minutes(live)
        with anyio.fail_after(20):
            while len(second.received) < begin + 20:
                await anyio.sleep(0.02)
    assert all(signed(one, "old") for one in first.received)
    assert all(signed(one, "new") for one in second.received[:begin])
    assert not any("x-hub-signature" in one.headers for one in second.received[begin:])


async def test_without_bodies_no_json_is_sent(live: httpx.AsyncClient) -> None:
    async with receiving() as receiver:
        hook = await register(live, receiver.url, secret="s", excludeBody=True)
        await ten_minutes(live)
        count = await all_in(receiver, NOW)
        await live.put(hook, json={"excludeBody": False})
        await ten_minutes(live)
        with anyio.fail_after(20):
            while len(receiver.received) < count + 20:
                await anyio.sleep(0.02)
    assert {one.body for one in receiver.received[:count]} == {b""}
    assert all(json.loads(one.body)["webhookEvent"] for one in receiver.received[count:])
    assert all(signed(one, "s") for one in receiver.received)


async def test_the_filter_chooses_the_issues(live: httpx.AsyncClient) -> None:
    projects = Site(LIVE).projects
    some = projects[: len(projects) // 2]
    jql = f"project in ({', '.join(project.key for project in some)})"
    chosen = {project.index for project in some}

    def wanted(one: Any, act: Any) -> bool:
        return act.issue.project in chosen or one.event.startswith("issuelink_")

    async with receiving() as receiver:
        await register(live, receiver.url, filters={SECTION: jql})
        await ten_minutes(live)
        await all_in(receiver, NOW, wanted)


def test_times_in_a_filter_are_those_of_the_act(config: SiteConfig) -> None:
    site = Site(config)
    young = Webhook(id=1, name="t", url="", events=[], filters={SECTION: "created >= -1d"})
    seen = set()
    for act in acts(config, None, config.now_ms):
        through = passes_filter(site, young, "jira:issue_updated", act.issue, act.at)
        assert through == (act.issue.created >= act.at - DAY_MS)
        assert passes_filter(site, young, "issuelink_created", act.issue, act.at), "links are not filtered"
        seen.add(through)
        if len(seen) == 2 and act.at > config.start_ms:
            break
    assert seen == {True, False}


def test_an_unknown_project_is_nobodys(config: SiteConfig) -> None:
    site, act = Site(config), next(acts(config))
    hook = Webhook(id=1, name="t", url="", events=[], filters={SECTION: "project = NOPE"})
    assert not passes_filter(site, hook, "jira:issue_created", act.issue, act.at)
    hook.filters = {SECTION: "project != NOPE"}
    assert passes_filter(site, hook, "jira:issue_created", act.issue, act.at)


@pytest.mark.parametrize(
    "filters",
    [
        {SECTION: "status = Done"},
        {SECTION: "project = A OR project = B"},
        {SECTION: "order by created"},
        {SECTION: 7},
        {"other-section": "updated >= -1d"},
        ["project = A"],
    ],
)
async def test_a_filter_that_cannot_be_followed_is_refused(client: httpx.AsyncClient, filters: Any) -> None:
    body = {"name": "t", "url": "https://hook.example/x", "events": ["comment_created"], "filters": filters}
    assert (await client.post(HOOKS, json=body)).status_code == 400
    assert (await client.get(HOOKS)).json() == []
    made = (await client.post(HOOKS, json=body | {"filters": {SECTION: ""}})).json()
    hook = f"{HOOKS}/{made['self'].rpartition('/')[2]}"
    changed = {"name": "other", "url": "https://other.example/", "filters": filters}
    assert (await client.put(hook, json=changed)).status_code == 400
    assert (await client.get(hook)).json() == made, "a refused change changes nothing"
