"""The site as a process: the command line, registered webhooks, history and live activity."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from typer.testing import CliRunner

from simulator import SiteConfig
from simulator.cli import app
from simulator.clock import SiteClock
from simulator.config import DAY_MS
from simulator.life.truth import truth
from simulator.rest.site import EMAIL, TOKEN, Site
from simulator.server import listen, running

from .conftest import NOW, client_of
from .receiver import Receiver, receiving
from .webhook_facts import webhook_facts

pytestmark = pytest.mark.anyio

HOOKS = "/rest/webhooks/1.0/webhook"
BEAN = {"name", "url", "events", "filters", "excludeBody", "enabled", "self", "lastUpdated", "lastUpdatedUser"}
SMALL = ["--people", "12", "--days", "1", "--now", str(NOW)]


def facts_of(receiver: Receiver) -> set[str]:
    told: set[str] = set()
    for one in receiver.received:
        told |= set(webhook_facts(json.loads(one.body), one.headers["x-atlassian-webhook-flow"]))
    return told


async def test_no_answer_waits_for_an_acknowledgement() -> None:
    """An answer goes out in two pieces; the second must not wait until the other side confirms the first."""
    accepted = asyncio.get_running_loop().create_future()

    def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        one = writer.get_extra_info("socket")
        accepted.set_result(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with listen() as bound:
        async with await asyncio.start_server(connected, sock=bound):
            _, writer = await asyncio.open_connection(*bound.getsockname())
            assert await accepted
            writer.close()
            await writer.wait_closed()


async def until_all_are_in(receiver: Receiver, expected: set[str]) -> None:
    with anyio.fail_after(30):
        while not expected <= facts_of(receiver):
            await anyio.sleep(0.05)


async def test_webhooks_are_registered_read_changed_and_removed(client: httpx.AsyncClient) -> None:
    body = {
        "name": "tracker",
        "url": "https://hook.example/x",
        "events": ["comment_created", "jira:issue_created"],
        "secret": "s",
    }
    answer = await client.post(HOOKS, json=body)
    assert answer.status_code == 201
    made = answer.json()
    assert set(made) >= BEAN
    assert made["isSigned"] is True
    assert "secret" not in answer.text
    number = made["self"].rpartition("/")[2]
    assert (await client.get(HOOKS)).json() == [made]
    changed = (await client.put(f"{HOOKS}/{number}", json={"name": "other", "enabled": False})).json()
    assert (changed["name"], changed["enabled"], changed["isSigned"], changed["url"]) == (
        "other",
        False,
        True,
        body["url"],
    )
    assert (await client.get(f"{HOOKS}/{number}")).json() == changed
    assert (await client.delete(f"{HOOKS}/{number}")).status_code == 204
    assert (await client.get(f"{HOOKS}/{number}")).status_code == 404
    assert (await client.get(HOOKS)).json() == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x"},
        {"name": "x", "url": "ftp://x", "events": []},
        {"name": "x", "url": "https://x.example", "events": ["nope"]},
        {"name": "x", "url": "http://", "events": []},
        {"name": "x", "url": "http://x.example:99999", "events": []},
        [],
    ],
)
async def test_bad_registrations_are_refused(client: httpx.AsyncClient, body: Any) -> None:
    assert (await client.post(HOOKS, json=body)).status_code == 400


async def test_a_registered_webhook_gets_what_happens_from_then_on() -> None:
    config = SiteConfig(seed=6, people=15, days=1, now_ms=NOW, live_start_ms=NOW, live_per_minute=30)
    site = Site(config, SiteClock(NOW))
    async with (
        receiving() as receiver,
        running(site) as address,
        httpx.AsyncClient(base_url=address, auth=(EMAIL, TOKEN)) as client,
    ):
        events = ["comment_created", "comment_deleted"]
        await client.post(HOOKS, json={"name": "t", "url": receiver.url, "events": events})
        with anyio.fail_after(10):
            while not (await client.get("/_simulator/stats")).json()["deliveries"]:
                await anyio.sleep(0.02)
        await client.post("/_simulator/clock", json={"advance_ms": 600_000})
        known = {fact.event_key for fact in truth(config, NOW, NOW + 600_000) if fact.family == "comment"}
        expected = {key for key in known if key.endswith((":created", ":deleted"))}
        assert len(expected) > 10
        await until_all_are_in(receiver, expected)
    assert facts_of(receiver) == expected


async def test_serve_sends_the_history_first_and_answers_rest(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hush\n")
    async with receiving() as receiver:
        command = [sys.executable, "-m", "simulator", "serve", *SMALL, "--speed", "0", "--history"]
        command += ["--webhook", receiver.url, "--secret-file", str(secret), "--set", "report_zone=UTC"]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        process = await anyio.open_process(command, stderr=subprocess.PIPE, env=environment)
        assert process.stdout
        assert process.stderr
        try:
            ready = json.loads(await process.stdout.receive())
            config = SiteConfig(**ready["site"])
            async with httpx.AsyncClient(base_url=ready["address"], auth=(ready["email"], ready["token"])) as client:
                assert (await client.get("/rest/api/3/myself")).json()["accountType"] == "atlassian"
                assert (await client.get("/_edge/tenant_info")).json() == {"cloudId": ready["cloud_id"]}
                hooks = (await client.get(HOOKS)).json()
                assert (hooks[0]["url"], hooks[0]["isSigned"]) == (receiver.url, True)
            expected = {fact.event_key for fact in truth(config) if fact.webhook_at is not None}
            await until_all_are_in(receiver, expected)
            assert facts_of(receiver) == expected
        finally:
            process.send_signal(signal.SIGINT)
            with anyio.fail_after(10):
                await process.wait()
        assert process.returncode == 0
        errors = b""
        with contextlib.suppress(anyio.EndOfStream):
            errors = await process.stderr.receive()
        assert errors == b""
        await process.aclose()


def test_truth_on_the_command_line_is_the_truth_of_the_library() -> None:
    result = CliRunner().invoke(app, ["truth", *SMALL, "--seed", "5", "--set", "echoes=false"])
    assert result.exit_code == 0
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    config = SiteConfig(seed=5, people=12, days=1, now_ms=NOW, echoes=False)
    assert [row["event_key"] for row in rows] == [fact.event_key for fact in truth(config)]
    result = CliRunner().invoke(app, ["truth", *SMALL, "--what", "directory"])
    assert {"user", "license", "seats", "group", "project_role"} == {
        json.loads(line)["kind"] for line in result.stdout.splitlines()
    }


def test_wrong_parameters_are_wrong_usage() -> None:
    for more in ("nonsense=1", "crowd=many"):
        assert CliRunner().invoke(app, ["truth", *SMALL, "--set", more]).exit_code == 2


async def test_send_prints_what_became_of_the_webhooks() -> None:
    async with receiving() as receiver:
        command = [
            sys.executable,
            "-m",
            "simulator",
            "send",
            receiver.url,
            *SMALL,
            "--loss",
            "0.3",
            "--duplicates",
            "0.1",
        ]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        result = await anyio.run_process(command, env=environment)
    stats = json.loads(result.stdout)
    assert stats["delivered"] == stats["sent"] == len(receiver.received)
    lost = {key for one in stats["lost"] for key in one["keys"]}
    config = SiteConfig(people=12, days=1, now_ms=NOW)
    known = {fact.event_key for fact in truth(config) if fact.webhook_at is not None}
    assert lost
    assert facts_of(receiver) == known - lost


async def test_the_site_goes_on_while_its_clock_runs(config: SiteConfig) -> None:
    clock = SiteClock(NOW, speed=1.0)
    site = Site(config, clock)
    async with client_of(site) as client:
        before = (await client.get("/rest/api/3/serverInfo")).json()["serverTime"]
        clock.advance(DAY_MS)
        after = (await client.get("/rest/api/3/serverInfo")).json()["serverTime"]
    assert before < after
