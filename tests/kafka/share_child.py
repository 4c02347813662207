"""A member of a consumer group that notes every record it writes.

python share_child.py ADDRESS TOPIC DATABASE NAME BATCH      consume until SIGTERM
"""

import asyncio
import signal
import sqlite3
import sys
from collections.abc import Sequence

import uvloop

from consumers.loop import Consumer, Source
from consumers.writer import Poison
from rollcall.eventlog import Entry, Topic
from rollcall.eventlog.kafka import open_kafka_log
from rollcall.logs import configure_logging
from rollcall.settings import ConsumerSettings
from tests.kafka.place import LONG_MS, small


class Notes:
    """A writer into a SQLite table, one row a record and a writing."""

    def __init__(self, database: str, name: str) -> None:
        self._db = sqlite3.connect(database, timeout=60, isolation_level=None)
        self._name = name

    async def write(self, entries: Sequence[Entry]) -> list[Poison]:
        rows = [(entry.value.decode(), self._name) for entry in entries]
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT INTO written (key, by) VALUES (?, ?)", rows)
        self._db.execute("COMMIT")
        return []


async def main(address: str, topic: str, database: str, name: str, batch: str) -> None:
    configure_logging("info", "json")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    log = await open_kafka_log(address.split(","), [Topic(topic, LONG_MS)], small(session_timeout=2))
    try:
        settings = ConsumerSettings(batch_records=int(batch), batch_seconds=0.1)
        await Consumer(Source(log, topic, "sharers", topic), Notes(database, name), settings).run(stop)
    finally:
        await log.close()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
