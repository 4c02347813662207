"""The real server with the real log: what was answered 204 is on the disk, as sets of keys."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from rollcall.eventlog import EventLog, open_log
from rollcall.records import Activity, DeadLetter, decode_activity, decode_dead_letter
from rollcall.runtime import topics_of
from rollcall.settings import Settings

from .sample_table import CLOUD, DATA_CENTER, SAMPLES, Fact, Letter
from .serving import Served, served, settings

RECEIVED = 1_790_900_000_000


@pytest.fixture(autouse=True)
def _a_day_after_the_newest_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.handler.now_ms", lambda: RECEIVED)


def opener(folder: Path) -> Callable[[Settings], Awaitable[EventLog]]:
    async def opened(chosen: Settings) -> EventLog:
        return await open_log(f"sqlite://{folder}/events.db", topics_of(chosen).all())

    return opened


def read_back(folder: Path) -> tuple[list[Activity], list[DeadLetter]]:
    """Read the log with a connection of its own, after the server is gone."""

    async def read() -> tuple[list[Activity], list[DeadLetter]]:
        topics = topics_of(settings())
        log = await open_log(f"sqlite://{folder}/events.db", topics.all())
        facts = [decode_activity(entry.value) async for entry in log.scan(topics.activity.name)]
        letters = [decode_dead_letter(entry.value) async for entry in log.scan(topics.deadletter.name)]
        await log.close()
        return facts, letters

    return asyncio.run(read())


def post_each(server: Served, bodies: list[bytes]) -> None:
    for body in bodies:
        assert server.post(body).status_code == 204


def test_every_sample_is_kept_as_the_table_says(tmp_path: Path) -> None:
    wanted = {f"cloud/{name}": want for name, want in CLOUD.items()}
    wanted |= {f"data-center/{name}": want for name, want in DATA_CENTER.items()}
    bodies = {name: (SAMPLES / f"{name}.json").read_bytes() for name in wanted}
    with served(opener(tmp_path)) as server:
        post_each(server, list(bodies.values()))
    facts, letters = read_back(tmp_path)
    assert {(fact.event_key, fact.account_id, fact.occurred_at) for fact in facts} == {
        (want.event_key, want.account_id, want.occurred_at) for want in wanted.values() if isinstance(want, Fact)
    }
    assert {(letter.reason, letter.payload) for letter in letters} == {
        (want.reason, bodies[name]) for name, want in wanted.items() if isinstance(want, Letter)
    }


def test_damaged_samples_never_fail_and_are_never_lost(tmp_path: Path) -> None:
    """Each body is a fact, a dead letter, or of a known outcome that makes no fact; damage is seeded."""
    chance = random.Random(2)
    paths = sorted(SAMPLES.glob("*/*.json"))
    bodies = []
    for _ in range(400):
        text = chance.choice(paths).read_bytes()
        payload = json.loads(text)
        part = payload
        while isinstance(part, dict) and part:
            name = chance.choice(list(part))
            if chance.random() < 0.5 or not isinstance(part[name], dict):
                part[name] = chance.choice([None, 1, "x" * 10_000, [], {}, [[]], True, -1.5])
                break
            part = part[name]
        body = json.dumps(payload).encode()
        cut = chance.choice([len(body), len(body), chance.randrange(len(body))])
        bodies.append(chance.choice([body, body, body.decode().encode("utf-16")])[:cut])
    with served(opener(tmp_path)) as server:
        before = quiet(server)
        post_each(server, bodies)
        without_record = quiet(server) - before
    facts, letters = read_back(tmp_path)
    assert len(facts) + len({letter.payload for letter in letters}) > 300
    kept_letters = {letter.payload for letter in letters}
    assert len(facts) + sum(body in kept_letters for body in bodies) + without_record == len(bodies)


def quiet(server: Served) -> int:
    """Return how many webhooks were answered without a record, by the server's own count."""
    lines = server.client.get("/metrics").text.splitlines()
    outcomes = ("echo", "ignored", "cascade", "no_edit")
    return sum(
        int(float(line.rsplit(" ", 1)[1]))
        for line in lines
        if line.startswith("rollcall_webhooks_total{") and any(f'outcome="{word}"' in line for word in outcomes)
    )


def test_the_largest_body_that_jira_sends_is_kept_whole_as_a_dead_letter(tmp_path: Path) -> None:
    body = b"\xff" * (25 * 1024 * 1024)
    with served(opener(tmp_path)) as server:
        assert server.post(body).status_code == 204
    (letter,) = read_back(tmp_path)[1]
    assert letter.payload == body
