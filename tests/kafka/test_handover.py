"""Partitions go from one member to another: nothing is passed over, and nobody commits over somebody else."""

import asyncio

import pytest

from rollcall.errors import LogUnavailableError
from rollcall.eventlog import Entry, Reader, Record
from rollcall.eventlog.kafka.consumer import KafkaReader
from tests.eventlog.contract import read_all, texts
from tests.kafka.place import COUNT, KafkaPlace, filled, small

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("real")]


async def read_for(reader: Reader, seconds: float) -> list[Entry]:
    entries: list[Entry] = []
    async with asyncio.timeout(30):
        until = asyncio.get_running_loop().time() + seconds
        while (left := until - asyncio.get_running_loop().time()) > 0:
            try:
                entries += await reader.read(100, min(left, 0.2))
            except LogUnavailableError as error:  # brokers of a busy machine; the consumer tries again as well
                if "gave none" in str(error):
                    raise
    return entries


async def read_until(reader: Reader, wanted: set[str]) -> list[Entry]:
    """Read until all of these have come, and a moment longer."""
    entries: list[Entry] = []
    async with asyncio.timeout(60):
        while not wanted <= set(texts(entries)):
            entries += await read_for(reader, 0.2)
    return entries + await read_for(reader, 0.5)


async def shared(first: Reader, second: Reader, everything: set[str]) -> tuple[list[Entry], list[Entry]]:
    """Read all with both, until the group is at rest and each has partitions of its own."""
    async with asyncio.timeout(60):
        while True:
            theirs, mine = await asyncio.gather(read_for(second, 1.0), read_for(first, 1.0))
            apart = {entry.partition for entry in theirs}.isdisjoint({entry.partition for entry in mine})
            if theirs and mine and apart and set(texts([*theirs, *mine])) == everything:
                return theirs, mine
            await first.rewind()
            await second.rewind()


async def test_keys_spread_over_the_partitions(place: KafkaPlace) -> None:
    log = await place.open()
    try:
        await filled(log, place.consumed.name)
        entries = await read_all(await log.reader(place.consumed.name, "group"), COUNT)
        assert {entry.partition for entry in entries} == {0, 1, 2}
    finally:
        await log.close()


async def test_what_is_committed_while_another_joins_is_not_read_again(place: KafkaPlace) -> None:
    log = await place.open()
    try:
        await filled(log, place.consumed.name)
        first = await log.reader(place.consumed.name, "group")
        entries = await read_all(first, COUNT)
        joining = asyncio.create_task(log.reader(place.consumed.name, "group"))
        await asyncio.sleep(1.2)  # by now the group wants its partitions back
        await first.commit(entries)
        second = await joining
        assert await read_for(second, 0.5) == []
        assert await read_for(first, 0.5) == []
        assert (await log.state(place.consumed.name)).lag == {"group": 0}
    finally:
        await log.close()


async def test_what_is_not_committed_goes_to_the_next_owner(place: KafkaPlace) -> None:
    place.settings = small(request_timeout=2.5)  # the group waits 0.4 of that for a commit
    log = await place.open()
    topic = place.consumed.name
    try:
        everything = await filled(log, topic)
        first = await log.reader(topic, "group")
        stale = await read_all(first, COUNT)
        second = await log.reader(topic, "group")
        theirs, mine = await shared(first, second, everything)
        await second.commit(theirs)
        fresh = [f"x{n:03}" for n in range(COUNT)]
        await log.append(topic, [Record(key.encode(), key.encode()) for key in fresh])
        more = await read_for(second, 1.0)
        await second.commit(more)
        # Old news for the partitions that it lost, and well enough for those it kept.
        await first.commit(stale)
        await second.rewind()
        assert await read_for(second, 0.5) == []
        await second.close()
        rest = await read_until(first, set(fresh) - set(texts(more)))
        assert set(texts([*theirs, *mine, *more, *rest])) == everything | set(fresh)
        assert set(texts(rest)).isdisjoint(texts([*theirs, *more]))
    finally:
        await log.close()


async def test_a_read_that_spans_a_hand_over_knows_what_it_read(place: KafkaPlace) -> None:
    log = await place.open()
    topic = place.consumed.name
    try:
        first = await log.reader(topic, "group")
        second = await log.reader(topic, "group")
        everything = await filled(log, topic)
        theirs, mine = await shared(first, second, everything)
        await first.commit(mine)  # so that nothing holds the group up
        waiting = asyncio.create_task(first.read(COUNT, 10.0))
        await asyncio.sleep(0.1)
        await second.close()
        rest = [*await waiting, *await read_for(first, 0.5)]
        assert sorted(texts(rest)) == sorted(texts(theirs))
        assert await first.read(COUNT, 0.1) == []  # once it believed that there was more, and waited for it in vain
        await first.commit(rest)
        assert (await log.state(topic)).lag == {"group": 0}
    finally:
        await log.close()


async def test_what_is_committed_late_by_who_owns_it_again_is_not_read_again(place: KafkaPlace) -> None:
    place.settings = small(request_timeout=2.5)  # the group waits 0.4 of that for a commit
    log = await place.open()
    topic = place.consumed.name
    try:
        await filled(log, topic)
        first = await log.reader(topic, "group")
        assert isinstance(first, KafkaReader)
        entries = await read_all(first, COUNT)
        second = await log.reader(topic, "group")
        await second.close()
        async with asyncio.timeout(30):
            while len((await first.join())._positions) < 3:
                await asyncio.sleep(0.05)
        await first.commit(entries)  # of partitions that are its own again and begin where they did
        assert await read_for(first, 1.0) == []
    finally:
        await log.close()


async def test_a_member_whose_commits_are_never_answered_is_replaced(
    place: KafkaPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await place.open()
    try:
        await filled(log, place.consumed.name)
        reader = await log.reader(place.consumed.name, "group")
        assert isinstance(reader, KafkaReader)
        entries = await read_all(reader, COUNT)
        stuck = reader._member
        assert stuck

        async def never_answered(_: object) -> None:
            raise LogUnavailableError("Kafka took longer than 5 s for committing")

        monkeypatch.setattr(stuck, "_commit_offsets", never_answered)
        for _ in range(5):
            with pytest.raises(LogUnavailableError):
                await reader.commit(entries)
        await reader.commit(entries)
        assert reader._member is not stuck
        assert (await log.state(place.consumed.name)).lag == {"group": 0}
    finally:
        await log.close()
