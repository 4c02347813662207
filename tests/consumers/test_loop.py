"""The loop from log to warehouse: insert first, commit after, poison aside, patience while the warehouse is away."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import count
from pathlib import Path
from typing import ClassVar

import pytest
from structlog.testing import capture_logs

from consumers.loop import Consumer, Source
from consumers.poison import Poison
from consumers.writers import ActivityWriter
from rollcall.dead_letters import dead_letter_id
from rollcall.errors import LogUnavailableError, TooMuchPoisonError, WarehouseUnavailableError
from rollcall.eventlog import Entry, EventLog, Record, Topic, open_log
from rollcall.eventlog.sqlite.log import SqliteReader
from rollcall.records import decode_dead_letter, encode
from rollcall.settings import ConsumerSettings
from rollcall.warehouse import Warehouse

from ..facts import SITES, fact
from ..failures import FailingLog, Failures

pytestmark = pytest.mark.anyio

DAY_MS = 86_400_000
ACTIVITY = Topic("rollcall.activity", DAY_MS)
LETTERS = Topic("rollcall.deadletter", DAY_MS, consumed=False)
QUICK = ConsumerSettings(batch_seconds=0.05, poison_window=100, poison_ratio=0.5, backoff_max=0.1)


@pytest.fixture
async def event_log(tmp_path: Path) -> AsyncIterator[EventLog]:
    log = await open_log(f"sqlite://{tmp_path}/events.db", [ACTIVITY, LETTERS])
    yield log
    await log.close()


def consumer(log: EventLog, warehouse: Warehouse, settings: ConsumerSettings = QUICK) -> Consumer:
    source = Source(log, ACTIVITY.name, "warehouse", LETTERS.name)
    return Consumer(source, ActivityWriter(warehouse, SITES), settings)


async def append(log: EventLog, *values: bytes) -> None:
    await log.append(ACTIVITY.name, [Record(value) for value in values])


async def keys(warehouse: Warehouse) -> set[str]:
    return {row["event_key"] for row in await warehouse.query("SELECT event_key FROM activity FINAL")}


async def lag(log: EventLog) -> int:
    return (await log.state(ACTIVITY.name)).lag["warehouse"]


async def run_until_empty(log: EventLog, one: Consumer) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(one.run(stop))
    while not running.done() and ("warehouse" not in (await log.state(ACTIVITY.name)).lag or await lag(log)):
        await asyncio.sleep(0.02)
    stop.set()
    await running


def facts(count: int, start: int = 0) -> list[bytes]:
    return [encode(fact(f"history:{n}", "2026-11-02T10:00:00")) for n in range(start, start + count)]


async def test_everything_on_the_log_is_written_and_committed(event_log: EventLog, warehouse: Warehouse) -> None:
    await append(event_log, *facts(2500))
    await run_until_empty(event_log, consumer(event_log, warehouse, QUICK.model_copy(update={"batch_records": 700})))
    assert await keys(warehouse) == {f"history:{n}" for n in range(2500)}
    assert await lag(event_log) == 0


async def test_poison_goes_to_the_dead_letters_and_blocks_nothing(event_log: EventLog, warehouse: Warehouse) -> None:
    good = facts(20)
    deep = b'{"site": "acme", "x": ' + b"[" * 3000 + b"]" * 3000 + b"}"
    bad = [
        b"\xff\xfe",
        b"{}",
        deep,
        good[0].replace(b'"history"', b'"weather"'),
        good[1].replace(b"17", b"1", 1) + b"}",
    ]
    await append(event_log, *good[:10], *bad, *good[10:])
    await run_until_empty(event_log, consumer(event_log, warehouse))
    assert await keys(warehouse) == {f"history:{n}" for n in range(20)}
    letters = [decode_dead_letter(entry.value) async for entry in event_log.scan(LETTERS.name)]
    assert {letter.payload for letter in letters} == set(bad)
    assert {letter.origin for letter in letters} == {ACTIVITY.name}
    assert all(letter.reason == "bad_record" and letter.position.startswith(ACTIVITY.name) for letter in letters)
    assert {letter.site for letter in letters} == {"", "acme"}
    assert all(letter.letter_id == dead_letter_id(letter.site, ACTIVITY.name, letter.payload) for letter in letters)
    assert len({letter.letter_id for letter in letters}) == len(bad)


async def test_too_much_poison_stops_the_consumer_and_drains_nothing(event_log: EventLog, warehouse: Warehouse) -> None:
    await append(event_log, *[b"no record"] * 60, *facts(5))
    with pytest.raises(TooMuchPoisonError, match="60 of the last 65"):
        await consumer(event_log, warehouse).run(asyncio.Event())
    assert await lag(event_log) == 65
    assert [entry async for entry in event_log.scan(LETTERS.name)] == []


async def test_letters_are_written_once_however_often_the_commit_fails(
    event_log: EventLog, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed, failures = SqliteReader.commit, iter(range(4))

    async def refused_at_first(reader: SqliteReader, entries: Sequence[Entry], metadata: None) -> None:
        if next(failures, None) is not None:
            raise LogUnavailableError("away")
        await committed(reader, entries, metadata)

    monkeypatch.setattr(SqliteReader, "commit", refused_at_first)
    await append(event_log, b"no record", *facts(5))
    await run_until_empty(event_log, consumer(event_log, warehouse))
    assert next(failures, None) is None
    assert len([entry async for entry in event_log.scan(LETTERS.name)]) == 1


async def letters_of(log: EventLog) -> set[bytes]:
    return {decode_dead_letter(entry.value).payload async for entry in log.scan(LETTERS.name)}


async def consumed_by(way: str, one: Consumer, stop: asyncio.Event) -> None:
    """Consume until the log fails."""
    if way == "run":
        await one.run(stop)
    else:
        with pytest.raises(LogUnavailableError):
            await one.drain()


@pytest.mark.parametrize("way", ["run", "drain"])
@pytest.mark.parametrize(("batches", "commits"), [(0, False), (1, False), *((calls, True) for calls in range(5))])
async def test_nothing_is_committed_before_its_letters_are_kept(
    event_log: EventLog, warehouse: Warehouse, way: str, batches: int, commits: bool
) -> None:
    """The log works for so many batches' letters, or for so many durable calls of either kind."""
    records = [value for n in range(3) for value in (*facts(8, 8 * n), b"no record %d" % n, b"nor this %d" % n)]
    await append(event_log, *records)
    ten = QUICK.model_copy(update={"batch_records": 10})
    stop = asyncio.Event()
    failures = Failures(batches + 1, failed=stop.set)  # without the stop, `run` would wait for ever
    failing = FailingLog(event_log, failures, {LETTERS.name}, commits=commits)
    await consumed_by(way, consumer(failing, warehouse, ten), stop)
    done = len(records) - await lag(event_log)
    assert done == 10 * (batches // 2 if commits else batches)
    poison = {value for value in records if value.startswith(b"no")}
    assert await letters_of(event_log) >= poison & set(records[:done])
    await run_until_empty(event_log, consumer(event_log, warehouse, ten))
    assert await letters_of(event_log) == poison
    assert len(await keys(warehouse)) == 24


async def test_a_log_that_does_not_take_the_letters_is_waited_for(event_log: EventLog, warehouse: Warehouse) -> None:
    await append(event_log, b"no record", *facts(5))
    failures = Failures(1, last=4)
    await run_until_empty(event_log, consumer(FailingLog(event_log, failures, {LETTERS.name}), warehouse))
    assert failures.calls == 6  # the fifth append, and the commit
    assert await letters_of(event_log) == {b"no record"}
    assert len(await keys(warehouse)) == 5


class Moody(ActivityWriter):
    """A writer whose warehouse is away for its first calls, before or after the rows went in."""

    def __init__(self, warehouse: Warehouse, failures: int, *, after: bool) -> None:
        super().__init__(warehouse, SITES)
        self.failures = failures
        self.after = after

    async def write(self, entries: Sequence[Entry]) -> list[Poison]:
        if self.failures and not self.after:
            self.failures -= 1
            raise WarehouseUnavailableError("away")
        poison = await super().write(entries)
        if self.failures:
            self.failures -= 1
            raise WarehouseUnavailableError("the answer was lost")
        return poison


@pytest.mark.parametrize("after", [False, True], ids=["refused", "answer lost"])
async def test_a_warehouse_that_is_away_is_waited_for(event_log: EventLog, warehouse: Warehouse, after: bool) -> None:
    await append(event_log, *facts(50))
    source = Source(event_log, ACTIVITY.name, "warehouse", LETTERS.name)
    await run_until_empty(event_log, Consumer(source, Moody(warehouse, 3, after=after), QUICK))
    found = await warehouse.query("SELECT count() AS n, uniqExact(event_key) AS keys FROM activity FINAL")
    assert found == [{"n": 50, "keys": 50}]


class IdleReader:
    """Has nothing, and remembers how long it was asked to wait for more."""

    def __init__(self, last: Sequence[Entry] = ()) -> None:
        self.waits: list[float] = []
        self.waiting = asyncio.Event()
        self._last = last

    async def read(self, max_records: int, max_wait: float) -> Sequence[Entry]:
        self.waits.append(max_wait)
        if max_wait:
            self.waiting.set()
            await asyncio.Event().wait()
        found, self._last = self._last, ()
        return found

    async def close(self) -> None:
        self.waits.append(-1)


async def test_a_stop_does_not_wait_for_records_and_takes_those_that_are_there(
    event_log: EventLog, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await append(event_log, *facts(1))
    committed: list[Entry] = []
    reader = IdleReader([one async for one in event_log.scan(ACTIVITY.name)])

    async def commit(entries: Sequence[Entry], metadata: None) -> None:
        committed.extend(entries)

    async def joined(_: Consumer) -> IdleReader:
        return reader

    monkeypatch.setattr(reader, "commit", commit, raising=False)
    monkeypatch.setattr(Consumer, "_join", joined)
    stop = asyncio.Event()
    running = asyncio.create_task(consumer(event_log, warehouse).run(stop))
    async with asyncio.timeout(60):
        await reader.waiting.wait()
        stop.set()
        await running
    assert reader.waits == [1.0, 0.0, 0.0, -1]
    assert len(committed) == 1
    assert await keys(warehouse) == {"history:0"}


async def test_stopping_while_the_warehouse_is_away_commits_nothing(event_log: EventLog, warehouse: Warehouse) -> None:
    await append(event_log, *facts(50))
    moody = Moody(warehouse, 1_000_000, after=False)
    source = Source(event_log, ACTIVITY.name, "warehouse", LETTERS.name)
    stop = asyncio.Event()
    running = asyncio.create_task(Consumer(source, moody, QUICK).run(stop))
    while moody.failures > 1_000_000 - 3:
        await asyncio.sleep(0.01)
    stop.set()
    await running
    assert await lag(event_log) == 50
    await run_until_empty(event_log, consumer(event_log, warehouse))
    assert len(await keys(warehouse)) == 50


class Interrupted(SqliteReader):
    """A reader whose every second read finds the log away."""

    reads = 0

    async def read(self, max_records: int, max_wait: float) -> Sequence[Entry]:
        Interrupted.reads += 1
        if Interrupted.reads % 2 == 0:
            raise LogUnavailableError("away")
        return await super().read(min(max_records, 5), max_wait)


async def test_a_log_that_goes_away_within_a_batch_costs_nothing_of_it(
    event_log: EventLog, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is written: the reader is past it and would not bring it again."""
    await append(event_log, *facts(30))
    monkeypatch.setattr("rollcall.eventlog.sqlite.log.SqliteReader", Interrupted)
    stop = asyncio.Event()
    running = asyncio.create_task(consumer(event_log, warehouse).run(stop))
    while Interrupted.reads < 14:  # of which the odd ones bring five records each
        await asyncio.sleep(0.02)
    stop.set()
    await running
    assert await lag(event_log) == 0
    assert await keys(warehouse) == {f"history:{n}" for n in range(30)}


class Slow(ActivityWriter):
    """A writer that takes its time."""

    seconds = 0.0

    async def write(self, entries: Sequence[Entry]) -> list[Poison]:
        await asyncio.sleep(self.seconds)
        return await super().write(entries)


class OneByOne(SqliteReader):
    """A reader that brings one record a batch, and remembers how long it was asked to wait for more."""

    waits: ClassVar[list[float]] = []

    async def read(self, max_records: int, max_wait: float) -> Sequence[Entry]:
        if max_records == BATCH:
            return await super().read(1, max_wait)
        OneByOne.waits.append(max_wait)
        return []


BATCH = 500


async def test_a_batch_fills_for_as_long_as_writing_warrants(
    event_log: EventLog, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice what the batch before took: a quick warehouse shows soon what happens, and a slow one is not drowned."""
    monkeypatch.setattr("rollcall.eventlog.sqlite.log.SqliteReader", OneByOne)
    monkeypatch.setattr("consumers.loop._LEAST_WAIT", 0.001)
    source = Source(event_log, ACTIVITY.name, "warehouse", LETTERS.name)
    settings = ConsumerSettings(batch_records=BATCH, batch_seconds=0.9)
    for seconds in (0.0, 0.2, 1.0):
        OneByOne.waits.clear()
        monkeypatch.setattr(Slow, "seconds", seconds)
        await append(event_log, *facts(2))
        await run_until_empty(event_log, Consumer(source, Slow(warehouse, SITES), settings))
        first, second, *_ = OneByOne.waits
        assert first <= 0.001
        assert min(2 * seconds, 0.8) < second <= 0.9


async def test_drain_takes_what_is_there_and_returns(event_log: EventLog, warehouse: Warehouse) -> None:
    await append(event_log, *facts(30))
    assert await consumer(event_log, warehouse).drain() == 30
    assert await consumer(event_log, warehouse).drain() == 0
    assert len(await keys(warehouse)) == 30


@pytest.mark.usefixtures("own_words_on_retries")
async def test_an_outage_of_hundreds_of_tries_is_a_handful_of_lines(
    event_log: EventLog, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserted, tries = ActivityWriter.write, count(1)

    async def refused(writer: ActivityWriter, entries: Sequence[Entry]) -> list[Poison]:
        if (number := next(tries)) <= 300:
            raise WarehouseUnavailableError("connection refused" if number <= 200 else "no disk left")
        return await inserted(writer, entries)

    monkeypatch.setattr(ActivityWriter, "write", refused)
    await append(event_log, *facts(3))
    with capture_logs() as lines:
        at_once = QUICK.model_copy(update={"backoff_max": 0.0001})
        await run_until_empty(event_log, consumer(event_log, warehouse, at_once))
    assert await keys(warehouse) == {f"history:{n}" for n in range(3)}
    assert {line["topic"] for line in lines} == {ACTIVITY.name}
    assert [(line["event"].partition(" after ")[0], line.get("cause"), line["tries"]) for line in lines] == [
        ("waiting for the warehouse", "connection refused", 1),
        ("waiting for the warehouse", "no disk left", 201),
        ("the warehouse answers again", None, 300),
    ]
