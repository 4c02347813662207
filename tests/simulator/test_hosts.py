"""What Jira keeps for a URL host counts for all webhooks of the site that go there."""

from collections import Counter

import anyio
import pytest

from simulator import SiteConfig
from simulator.hooks.host import PRIMARY, Hosts
from simulator.hooks.sender import Sender
from simulator.server import listen

from .receiver import receiving
from .test_sender import PatientClock, deliveries

pytestmark = pytest.mark.anyio


def test_a_host_is_a_name_with_its_port_whatever_the_path() -> None:
    hosts = Hosts(lambda: 0.0)
    host = hosts.of("https://hook.example/a")
    assert hosts.of("https://user:secret@HOOK.example/b?c") is host
    assert hosts.of("https://hook.example:8443/a") is not host
    assert hosts.of("https://other.example/a") is not host


async def test_two_webhooks_share_the_places_of_their_host(config: SiteConfig) -> None:
    primary = [one for one in deliveries(config, 150) if one.flow == "Primary"]
    hosts = Hosts(lambda: 0.0)
    async with receiving() as receiver:
        receiver.takes_s = 0.02
        async with anyio.create_task_group() as tasks:
            for registration in (1, 2):
                tasks.start_soon(Sender(receiver.url, registration=registration, hosts=hosts).send, primary)
    assert len(receiver.received) == 2 * len(primary)
    assert receiver.most == PRIMARY


async def test_an_outage_seen_by_one_webhook_leaves_the_others_one_attempt(config: SiteConfig) -> None:
    clock = PatientClock()
    hosts = Hosts(clock.now)
    sent = deliveries(config, 60)
    async with receiving(lambda _one: 500) as receiver:
        clock.sender = Sender(receiver.url, clock=clock, hosts=hosts)
        await clock.sender.send(sent[:30])
        assert hosts.of(receiver.url).health.given_up
        receiver.received.clear()
        clock.sender = Sender(receiver.url, registration=2, clock=clock, hosts=hosts)
        stats = await clock.sender.send(sent[30:])
        assert Counter(one.identifier for one in receiver.received).most_common(1)[0][1] == 1
        assert {one["reason"] for one in stats.as_json()["lost"]} == {"one attempt only"}
        # A receiver on another port is another host, and gets its retries.
        elsewhere = listen()
        port = elsewhere.getsockname()[1]
        elsewhere.close()
        clock.sender = Sender(f"http://127.0.0.1:{port}/x", registration=3, clock=clock, hosts=hosts)
        assert (await clock.sender.send(sent[:1])).retried > 0
