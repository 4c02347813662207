"""kill -9 under load: what was acknowledged is there, what was committed stays committed."""

import random
import sqlite3
from collections import Counter
from contextlib import closing

import pytest

from rollcall.eventlog import Entry

from .contract import opened, texts
from .processes import child, lines
from .sqlite_place import SqlitePlace

ROUNDS = 20


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_nothing_acknowledged_is_lost_by_sigkill(place: SqlitePlace) -> None:
    moments = random.Random(20_240_229)
    acknowledged: set[str] = set()
    for run in range(ROUNDS):
        committed = 0
        # Some at once, most in full flight. A line stands for three ids.
        wanted = moments.choice([1, 3, moments.randrange(1, 60), moments.randrange(60, 600)])
        with child("load", place.path, run) as process:
            for count, (what, *words) in enumerate(lines(process)):
                if count == wanted:
                    process.kill()  # and go on reading what it had printed by then
                if what == "appended":
                    acknowledged.update(words)
                else:
                    committed = int(words[0])
            assert process.wait() == -9
        async with opened(place) as log:
            kept = [entry async for entry in log.log.scan(log.topic)]
            names = [text.strip() for text in texts(kept)]
            assert acknowledged <= set(names)
            assert len(names) == len(set(names))
            batches = Counter(name.rpartition(".")[0] for name in names)
            assert set(batches.values()) == {3}, "half a batch was kept"

            reader = await log.reader()
            rest: list[Entry] = []
            while entries := await reader.read(10_000, 0):
                rest += entries
            assert not rest or rest[0].offset > committed
            assert rest == kept[len(kept) - len(rest) :]
            await reader.close()
    assert len(acknowledged) > ROUNDS * 3
    with closing(sqlite3.connect(place.path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
