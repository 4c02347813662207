"""A consumer that dies of SIGKILL at a named point.

``python -m tests.consumers.fault_child WAY FOLDER POINT COUNT``, where WAY is ``run``, as `up` and `consume` go, or
``drain``, as `reconcile` does.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from consumers.loop import Consumer, Source
from consumers.writers import ActivityWriter, LogPositions
from rollcall.eventlog import EventLog, Topic
from rollcall.eventlog.sqlite import open_sqlite_log
from rollcall.settings import ConsumerSettings
from rollcall.warehouse import open_warehouse

from ..facts import SITES

ACTIVITY = Topic("rollcall.activity", 86_400_000)
LETTERS = Topic("rollcall.deadletter", 86_400_000, consumed=False)
BATCH = 100


async def main(way: str, folder: str, point: str, count: int) -> None:
    log = await open_sqlite_log(Path(folder) / "events.db", [ACTIVITY, LETTERS])
    warehouse = await open_warehouse(f"chdb://{folder}/warehouse", "a test")
    left = count

    def fault(reached: str) -> None:
        nonlocal left
        left -= reached == point
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    settings = ConsumerSettings(batch_records=BATCH, batch_seconds=0.01)
    source = Source(log, ACTIVITY.name, "warehouse", LETTERS.name)
    positions = LogPositions(warehouse, ACTIVITY.name)
    consumer = Consumer(source, ActivityWriter(warehouse, SITES), settings, fault, positions)
    await (consumer.drain() if way == "drain" else run_until_empty(log, consumer))
    await warehouse.close()
    await log.close()


async def run_until_empty(log: EventLog, consumer: Consumer) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(consumer.run(stop))
    while not running.done() and await waiting(log):
        await asyncio.sleep(0.02)
    stop.set()
    await running


async def waiting(log: EventLog) -> int:
    """How many records are not committed."""
    state = await log.state(ACTIVITY.name)
    return state.lag.get("warehouse", state.records)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
