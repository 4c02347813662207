"""A warehouse that is empty, older or another than the group's positions say is noticed, and the log is read again."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumers.loop import Consumer, Source
from consumers.writers import ActivityWriter, LogPositions
from rollcall.errors import LogUnavailableError, WarehouseUnavailableError
from rollcall.eventlog import EventLog, Record, Topic, open_log
from rollcall.records import encode
from rollcall.settings import ConsumerSettings
from rollcall.warehouse import Warehouse, migrate, open_warehouse

from ..facts import SITES, fact, fresh_warehouse
from ..failures import FailingLog, FailingWarehouse, Failures

pytestmark = pytest.mark.anyio

DAY_MS = 86_400_000
ACTIVITY = Topic("rollcall.activity", DAY_MS)
LETTERS = Topic("rollcall.deadletter", DAY_MS, consumed=False)
QUICK = ConsumerSettings(batch_records=40, batch_seconds=0.05, backoff_max=0.1)


@pytest.fixture
async def event_log(tmp_path: Path) -> AsyncIterator[EventLog]:
    log = await open_log(f"sqlite://{tmp_path}/events.db", [ACTIVITY, LETTERS])
    yield log
    await log.close()


def consumer(log: EventLog, warehouse: Warehouse) -> Consumer:
    source = Source(log, ACTIVITY.name, "warehouse", LETTERS.name)
    positions = LogPositions(warehouse, ACTIVITY.name)
    return Consumer(source, ActivityWriter(warehouse, SITES), QUICK, positions=positions)


async def append(log: EventLog, numbers: range) -> None:
    facts = [fact(f"history:{n}", "2026-11-02T10:00:00", account_id=f"account{n}") for n in numbers]
    await log.append(ACTIVITY.name, [Record(encode(one)) for one in facts])


async def keys(warehouse: Warehouse) -> list[str]:
    rows = await warehouse.query("SELECT event_key FROM activity FINAL")
    days = await warehouse.query("SELECT account_id FROM user_days")
    assert sorted(f"account{row['event_key'].partition(':')[2]}" for row in rows) == sorted(
        day["account_id"] for day in days
    )
    return sorted(row["event_key"] for row in rows)


def truth(*numbers: range) -> list[str]:
    return sorted(f"history:{n}" for some in numbers for n in some)


@asynccontextmanager
async def consumed(log: EventLog, folder: Path) -> AsyncIterator[tuple[Warehouse, list[Any]]]:
    """Bring all that is on the log into the warehouse in a folder; give that, and what was warned of."""
    async with fresh_warehouse(folder) as warehouse:
        with capture_logs() as logs:
            await consumer(log, warehouse).drain()
        yield warehouse, [line for line in logs if line["log_level"] == "warning"]


async def held(log: EventLog, folder: Path) -> tuple[list[str], list[Any]]:
    async with consumed(log, folder) as (warehouse, warned):
        return await keys(warehouse), warned


async def lag(log: EventLog) -> int:
    return (await log.state(ACTIVITY.name)).lag["warehouse"]


async def test_the_same_warehouse_reads_on(event_log: EventLog, tmp_path: Path) -> None:
    for upto in (100, 150, 150):
        await append(event_log, range(upto - 50, upto))
        found, warned = await held(event_log, tmp_path / "one")
        assert warned == []
    assert found == truth(range(50, 150))
    async with fresh_warehouse(tmp_path / "one") as warehouse:
        assert await consumer(event_log, warehouse).drain() == 0
        [row] = await warehouse.query("SELECT uniqExact(series) AS series, max(next_offset) AS n FROM log_positions")
    assert (row["series"], row["n"]) == (1, 151)


@pytest.mark.parametrize("used", [False, True], ids=["an empty one", "another one"])
async def test_another_warehouse_gets_all_that_the_log_has(event_log: EventLog, tmp_path: Path, used: bool) -> None:
    await append(event_log, range(100))
    await held(event_log, tmp_path / "one")
    others = range(500, 530) if used else range(0)
    if used:
        elsewhere = await open_log(f"sqlite://{tmp_path}/other.db", [ACTIVITY, LETTERS])
        await append(elsewhere, others)
        await held(elsewhere, tmp_path / "two")
        await elsewhere.close()
    await append(event_log, range(100, 110))
    found, [warned] = await held(event_log, tmp_path / "two")
    assert found == truth(range(110), others)
    assert "read again from its beginning" in warned["event"]
    assert (warned["topic"], warned["records"]) == (ACTIVITY.name, 100)
    assert "another warehouse, or an empty one" in warned["cause"]
    assert await held(event_log, tmp_path / "two") == (found, [])
    # The first one lacks what the other wrote meanwhile.
    found, [warned] = await held(event_log, tmp_path / "one")
    assert found == truth(range(110))


async def test_an_older_copy_gets_what_it_lacks(event_log: EventLog, tmp_path: Path) -> None:
    await append(event_log, range(60))
    await held(event_log, tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "backup", symlinks=True)
    await append(event_log, range(60, 61))
    await held(event_log, tmp_path / "one")
    found, [warned] = await held(event_log, tmp_path / "backup")
    assert found == truth(range(61))
    assert "older than the positions" in warned["cause"]
    shutil.rmtree(tmp_path / "one")
    shutil.copytree(tmp_path / "backup", tmp_path / "one", symlinks=True)
    assert await held(event_log, tmp_path / "one") == (found, []), "a copy of now is as good"


async def test_an_emptied_log_is_no_older_warehouse(event_log: EventLog, tmp_path: Path) -> None:
    """Its offsets begin anew, far below those that the warehouse has."""
    await append(event_log, range(100))
    await held(event_log, tmp_path / "one")
    new = await open_log(f"sqlite://{tmp_path}/new.db", [ACTIVITY, LETTERS])
    await append(new, range(100, 130))
    assert await held(new, tmp_path / "one") == (truth(range(130)), [])
    shutil.copytree(tmp_path / "one", tmp_path / "backup", symlinks=True)
    await append(new, range(130, 131))
    await held(new, tmp_path / "one")
    found, [warned] = await held(new, tmp_path / "backup")
    assert "older" in warned["cause"]
    assert found == truth(range(131))
    await new.close()


async def test_reading_back_that_is_cut_off_goes_on(event_log: EventLog, tmp_path: Path) -> None:
    """Whichever durable call fails: what is read back is read to its end, and what was there stays once."""
    await append(event_log, range(200))
    await held(event_log, tmp_path / "one")
    first = 0
    failing = True
    while failing:
        first += 1
        folder = tmp_path / f"after{first}"
        async with fresh_warehouse(folder) as warehouse:
            failures = Failures(first)
            try:
                await consumer(FailingLog(event_log, failures), FailingWarehouse(warehouse, failures)).drain()
                failing = False
            except (LogUnavailableError, WarehouseUnavailableError):
                pass
            await consumer(event_log, warehouse).drain()
            assert await keys(warehouse) == truth(range(200))
            assert await lag(event_log) == 0
    assert first > 10


async def test_two_readers_of_a_group_restart_it_once(event_log: EventLog, tmp_path: Path) -> None:
    """On a server, two processes may consume one SQLite log: neither moves the group past what the other has left."""
    await append(event_log, range(100))
    await held(event_log, tmp_path / "one")
    async with fresh_warehouse(tmp_path / "two") as warehouse:
        one, two = [await event_log.reader(ACTIVITY.name, "warehouse") for _ in range(2)]
        await append(event_log, range(100, 120))
        late = await two.read(100, 0.0)
        positions, others = [LogPositions(warehouse, ACTIVITY.name) for _ in range(2)]
        await positions.admit(one)
        for position in two.unaccepted():
            two.accept(position)  # as if it had looked before
        await two.commit(late, {0: "past"})
        assert await lag(event_log) == 120
        await others.admit(two)
        assert [entry.offset for entry in await two.read(100, 0.0)] == list(range(1, 101))
        assert len((await event_log.state(ACTIVITY.name)).positions["warehouse"]) == 1


async def test_nothing_is_written_into_a_folder_that_was_moved(event_log: EventLog, tmp_path: Path) -> None:
    async with fresh_warehouse(tmp_path) as warehouse:
        running, stop = consumer(event_log, warehouse), asyncio.Event()
        task = asyncio.create_task(running.run(stop))
        await append(event_log, range(10))
        await until(lambda: lag_is(event_log, 0))
        (tmp_path / "warehouse").rename(tmp_path / "away")
        await append(event_log, range(10, 20))
        await until(lambda: waits(running))
        assert "was moved, deleted or replaced while in use; put it back" in str(running.trouble)
        with pytest.raises(WarehouseUnavailableError, match="was moved"):
            await warehouse.ping()
        assert await lag(event_log) == 10
        (tmp_path / "warehouse").mkdir(exist_ok=True)
        with pytest.raises(WarehouseUnavailableError, match="replaced"):
            await warehouse.ping()
        shutil.rmtree(tmp_path / "warehouse")
        (tmp_path / "away").rename(tmp_path / "warehouse")
        await until(lambda: lag_is(event_log, 0))
        assert running.trouble is None
        stop.set()
        await task
        assert await keys(warehouse) == truth(range(20))


async def test_a_folder_that_is_moved_during_an_insert_is_noticed(
    event_log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fresh_warehouse(tmp_path) as warehouse:
        folder = tmp_path / "warehouse"
        await warehouse.ping()
        client: Any = type(warehouse._clients[0])
        insert = client.raw_insert

        def then_moved(*arguments: Any, **named: Any) -> Any:
            answer = insert(*arguments, **named)
            if arguments[1] == "log_positions":  # the last one before the commit
                folder.rename(tmp_path / "away")
            return answer

        monkeypatch.setattr(client, "raw_insert", then_moved)
        await append(event_log, range(10))
        with pytest.raises(WarehouseUnavailableError, match="was moved"):
            await consumer(event_log, warehouse).drain()
        assert await lag(event_log) == 10
        shutil.rmtree(folder, ignore_errors=True)
        (tmp_path / "away").rename(folder)


async def test_a_warehouse_has_one_id_for_good(tmp_path: Path) -> None:
    ids = []
    for name in ("one", "one", "two"):
        warehouse = await open_warehouse(f"chdb://{tmp_path}/{name}", "a test")
        await migrate(warehouse)
        ids.append([row["id"] for row in await warehouse.query("SELECT id FROM warehouse_identity")])
        await warehouse.close()
    assert ids[0] == ids[1] != ids[2]
    assert {len(found) for found in ids} == {1}


async def lag_is(log: EventLog, records: int) -> bool:
    return (await log.state(ACTIVITY.name)).lag.get("warehouse") == records


async def waits(one: Consumer) -> bool:
    return one.trouble is not None


async def until(met: Any) -> None:
    async with asyncio.timeout(60):
        while not await met():
            await asyncio.sleep(0.02)
