"""What is erased is gone from the bytes of the files, and everybody reads on as before."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rollcall.eventlog import Record
from rollcall.eventlog.interface import Topic
from rollcall.eventlog.log_url import open_log
from rollcall.eventlog.sqlite import SqliteLog

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

TOPIC = Topic("letters", kept_for_ms=10**12)
MARKER = b"a-marker-of-somebody"


def holding(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if MARKER in path.read_bytes())


async def test_bytes_are_gone_and_offsets_stay(tmp_path: Path) -> None:
    log = await open_log(f"sqlite://{tmp_path}/events.db", [TOPIC])
    assert isinstance(log, SqliteLog)
    # One that fills pages of its own, and small ones between others.
    theirs = {1: MARKER, 3: MARKER * 1000, 5: MARKER, 7: MARKER}
    values = [b"%d " % number + theirs.get(number, b"x") for number in range(8)]
    await log.append(TOPIC.name, [Record(value) for value in values])
    reader = await log.reader(TOPIC.name, "group")
    first = await reader.read(4, 0)
    await reader.commit(first)
    assert holding(tmp_path)
    assert await log.erase(TOPIC.name, lambda value: MARKER in value) == 4
    assert await log.scour()
    assert holding(tmp_path) == []
    assert [entry.value for entry in await reader.read(10, 0)] == [b"4 x", b"", b"6 x", b""]
    state = await log.state(TOPIC.name)
    assert (state.records, state.lag, state.bytes) == (8, {"group": 4}, sum(len(one) for one in values if b"x" in one))
    assert await log.erase(TOPIC.name, lambda value: MARKER in value) == 0
    await log.close()


async def test_what_earlier_versions_left_in_pages_goes_when_the_file_is_written_anew(tmp_path: Path) -> None:
    log = await open_log(f"sqlite://{tmp_path}/events.db", [TOPIC])
    assert isinstance(log, SqliteLog)
    await log.append(TOPIC.name, [Record(MARKER), Record(b"first"), Record(b"last")])
    await log.close()
    with closing(sqlite3.connect(tmp_path / "events.db", isolation_level=None)) as before:
        before.execute("PRAGMA secure_delete = OFF")
        before.execute('DELETE FROM topic_1 WHERE "offset" = 1')
    assert holding(tmp_path)
    log = await open_log(f"sqlite://{tmp_path}/events.db", [TOPIC])
    assert isinstance(log, SqliteLog)
    assert await log.scour(whole=True)
    assert holding(tmp_path) == []
    assert [entry.value async for entry in log.scan(TOPIC.name)] == [b"first", b"last"]
    await log.close()
