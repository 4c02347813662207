"""A consumer process that kills itself between an insert and its commit.

python fault_child.py CONFIG INSERTS      consume, and die right after so many inserts
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from consumers.loop import Consumer, Source
from consumers.writers import ActivityWriter, LogPositions
from rollcall.logs import configure_logging
from rollcall.runtime import WAREHOUSE_GROUP, opened_with_warehouse
from rollcall.settings import load_settings


async def main(config: str, inserts: str) -> None:
    settings = load_settings(Path(config))
    configure_logging(settings.log_level, settings.log_format)
    left = int(inserts)

    def fault(point: str) -> None:
        nonlocal left
        if point == "inserted":
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    async with opened_with_warehouse(settings, "a test") as runtime:
        topics = runtime.topics
        source = Source(runtime.log, topics.activity.name, WAREHOUSE_GROUP, topics.deadletter.name)
        writer = ActivityWriter(runtime.warehouse, settings.sites)
        positions = LogPositions(runtime.warehouse, topics.activity.name)
        await Consumer(source, writer, settings.consumer, fault, positions).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
