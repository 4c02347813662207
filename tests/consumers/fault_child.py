"""A consumer that dies of SIGKILL at a named point: ``python -m tests.consumers.fault_child FOLDER POINT COUNT``."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from consumers.activity import ActivityWriter
from consumers.loop import Consumer, Source
from rollcall.eventlog import Topic
from rollcall.eventlog.sqlite import open_sqlite_log
from rollcall.settings import ConsumerSettings
from rollcall.warehouse import open_warehouse

from ..facts import SITES

ACTIVITY = Topic("rollcall.activity", 86_400_000)
LETTERS = Topic("rollcall.deadletter", 86_400_000, consumed=False)


async def main(folder: str, point: str, count: int) -> None:
    log = await open_sqlite_log(Path(folder) / "events.db", [ACTIVITY, LETTERS])
    warehouse = await open_warehouse(f"chdb://{folder}/warehouse", "a test")
    left = count

    def fault(reached: str) -> None:
        nonlocal left
        left -= reached == point
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    settings = ConsumerSettings(batch_records=100, batch_seconds=0.01)
    source = Source(log, ACTIVITY.name, "warehouse", LETTERS.name)
    consumer = Consumer(source, ActivityWriter(warehouse, SITES), settings, fault)
    await consumer.drain()
    await warehouse.close()
    await log.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
