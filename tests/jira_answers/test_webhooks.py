"""Webhooks as they really come: the facts on the log, their user-days, and what is counted, are the truth."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from rollcall.records import Activity
from rollcall.settings import Settings

from ..facts import fresh_warehouse, write
from ..ingest.memory_log import MemoryLog
from ..ingest.serving import Served, served, signature
from .webhook_cases import CASES, Act, Case, Day, Delivery

DAYS = {name: Day(number) for number, name in enumerate(CASES)}
MADE: dict[str, Case] = {name: made(DAYS[name]) for name, made in CASES.items()}
_FAMILIES = {"comment": "comment", "worklog": "worklog", "history": "history", "issue": "history"}


def counted() -> Counter[str]:
    """What was counted by outcome, of posts to acme."""
    found: Counter[str] = Counter()
    for metric in REGISTRY.collect():
        for sample in metric.samples:
            if sample.name == "rollcall_webhooks_total" and sample.labels["site"] == "acme" and sample.value:
                found[sample.labels["outcome"]] += int(sample.value)
    return found


def counted_since(before: Counter[str], posts: int) -> Counter[str]:
    """Wait for the last post to be counted, which is done after its answer."""
    deadline = time.monotonic() + 20
    while (found := counted() - before).total() < posts and time.monotonic() < deadline:
        time.sleep(0.001)
    return found


@dataclass(frozen=True)
class Came:
    """What came of a case: the answers, the facts on the log, the dead letters, and what was counted."""

    answers: list[int]
    facts: list[Activity]
    letters: list[bytes]
    outcomes: Counter[str]


def send(server: Served, delivery: Delivery) -> int:
    headers = {"x-hub-signature": signature(delivery.body)} if delivery.signed else {}
    # As it is written: the client's base address would tidy it up.
    url = httpx.URL(f"http://127.0.0.1:{server.port}").copy_with(raw_path=delivery.path.encode())
    return server.client.post(url, content=delivery.body, headers={**headers, **delivery.headers}).status_code


@pytest.fixture(scope="module")
def came() -> Iterator[dict[str, Came]]:
    """All cases through one server."""
    memory = MemoryLog()

    async def opened(_: Settings) -> MemoryLog:
        return memory

    found: dict[str, Came] = {}
    with served(opened) as server:
        for name, case in MADE.items():
            memory.records.clear()
            before = counted()
            answers = [send(server, one) for one in case.deliveries]
            letters = [letter.payload for letter in memory.letters]
            found[name] = Came(answers, memory.facts, letters, counted_since(before, len(answers)))
        yield found


def action_of(event_key: str) -> str:
    return "updated" if event_key.startswith("history:") else event_key.split(":")[2]


@pytest.mark.parametrize("name", CASES)
def test_the_facts_are_the_true_ones(came: dict[str, Came], name: str) -> None:
    case, got = MADE[name], came[name]
    assert got.answers == [one.answer for one in case.deliveries]
    assert got.outcomes == Counter(one.outcome for one in case.deliveries)
    assert got.letters == [one.body for one in case.deliveries if one.outcome == "dead_letter"]
    # A webhook that comes again is the same fact again; identity folds them.
    assert {Act(fact.event_key, fact.account_id, fact.occurred_at) for fact in got.facts} == set(case.acts)
    for fact in got.facts:
        assert (fact.family, fact.action) == (_FAMILIES[fact.event_key.split(":")[0]], action_of(fact.event_key))


@pytest.mark.anyio
async def test_the_user_days_are_the_true_ones(came: dict[str, Came], tmp_path: Path) -> None:
    true: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name, case in MADE.items():
        for act in case.acts:
            if act.account_id:
                day = f"{(DAYS[name].ms()) // 86_400_000}"
                true[day, act.account_id].add(_FAMILIES[act.event_key.split(":")[0]])
    async with fresh_warehouse(tmp_path) as warehouse:
        refused = await write(warehouse, *(fact for got in came.values() for fact in got.facts))
        rows: list[dict[str, Any]] = await warehouse.query(
            "SELECT toString(toUInt32(day)) AS day, account_id, comment, history, worklog FROM user_days"
        )
    assert refused == []
    told = {
        (row["day"], row["account_id"]): {family for family in ("comment", "history", "worklog") if row[family]}
        for row in rows
    }
    assert told == true
    assert len(true) >= 40


def test_there_are_as_many_cases_as_the_issue_asks_for() -> None:
    assert len(CASES) >= 60
    assert len({DAYS[name].number for name in CASES}) == len(CASES)
