"""One log, opened once, through the death and the hanging of its only broker: refusals in time, and then it goes on."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import pytest

from rollcall.errors import LogUnavailableError
from rollcall.eventlog import Entry, Reader, Record
from tests.eventlog.contract import read_all, scanned, texts
from tests.kafka.broker.java import JavaBroker
from tests.kafka.place import KafkaPlace, small

pytestmark = pytest.mark.anyio
_T = TypeVar("_T")

BOUND = 25.0
"""Seconds within which every call ends, on a busy machine too; most take a tenth of that."""


@pytest.fixture(params=["killed", "hanging"])
def outage(request: pytest.FixtureRequest, killable: JavaBroker) -> Callable[[], None]:
    return killable.kill if request.param == "killed" else killable.hang


async def until_it_works(call: Callable[[], Awaitable[_T]]) -> _T:
    async with asyncio.timeout(60):
        while True:
            try:
                return await call()
            except LogUnavailableError:
                await asyncio.sleep(0.1)


async def test_everything_ends_in_time_and_works_again(killable: JavaBroker, outage: Callable[[], None]) -> None:
    place = KafkaPlace(killable.address, small(request_timeout=1, append_timeout=1.5, session_timeout=2))
    log = await place.open()
    topic = place.consumed.name
    try:
        await until_it_works(lambda: log.append(topic, [Record(b"before", b"k")]))
        reader = await until_it_works(lambda: log.reader(topic, "group"))
        entries = await read_all(reader, 1)
        await log.state(topic)
        outage()
        try:
            async with asyncio.timeout(BOUND):
                for call in (
                    log.append(topic, [Record(b"meanwhile", b"k")]),
                    log.check(),
                    log.state(topic),
                    scanned(log, topic),
                    reader.commit(entries),
                    reader.read(1, 0.0),
                    log.reader(topic, "another"),
                ):
                    with pytest.raises(LogUnavailableError):
                        await call
        finally:
            await asyncio.to_thread(killable.revive)
        await until_it_works(lambda: log.append(topic, [Record(b"after", b"k")]))
        await until_it_works(log.check)
        await until_it_works(lambda: log.state(topic))
        # "meanwhile" may be there: its append was refused, not undone
        assert set(await scanned(log, topic)) - {"meanwhile"} == {"before", "after"}
        seen: set[str] = set()
        async with asyncio.timeout(60):
            while "after" not in seen:
                seen.update(texts(await patiently_read(reader)))
        assert log._producer._budget.used == 0
    finally:
        await log.close()


async def patiently_read(reader: Reader) -> Sequence[Entry]:
    try:
        return await reader.read(10, 1.0)
    except LogUnavailableError:
        return []


async def test_closing_ends_although_the_broker_hangs(killable: JavaBroker) -> None:
    place = KafkaPlace(killable.address, small(request_timeout=1, append_timeout=1.5, session_timeout=2))
    log = await place.open()
    try:
        # A broker that hung in the test before gives partitions that cannot be taken over, for a moment.
        await until_it_works(lambda: log.reader(place.consumed.name, "group"))
        killable.hang()
        appending = asyncio.create_task(log.append(place.consumed.name, [Record(b"x")]))
        await asyncio.sleep(0)
        async with asyncio.timeout(BOUND):
            await log.close()
        with pytest.raises(LogUnavailableError):
            await appending
    finally:
        killable.go_on()
        await log.close()  # a connection left open would be waited for for ever at the event loop's end


async def test_memory_is_bounded_while_the_broker_hangs(killable: JavaBroker) -> None:
    limit = 2 * 1024 * 1024
    settings = small(request_timeout=1, append_timeout=1.5, pending_bytes=limit, message_bytes=limit // 2)
    place = KafkaPlace(killable.address, settings)
    log = await place.open()
    try:
        await until_it_works(lambda: log.append(place.consumed.name, [Record(b"before")]))
        killable.hang()
        try:
            records = [[Record(bytes([n]) * 100_000)] for n in range(60)]
            outcomes = await asyncio.gather(
                *(log.append(place.consumed.name, batch) for batch in records), return_exceptions=True
            )
            assert all(isinstance(outcome, LogUnavailableError) for outcome in outcomes)
            assert sum("does not keep up" in str(outcome) for outcome in outcomes) > 30
            assert log._producer._budget.used <= limit
        finally:
            killable.go_on()
        await until_it_works(lambda: log.append(place.consumed.name, [Record(b"after")]))
    finally:
        await log.close()
    assert log._producer._budget.used == 0
