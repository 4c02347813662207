"""What group commit brings: rows a second with one row a commit, and with 64 appends waiting at once.

Run: python bench/bench_eventlog.py [FOLDER]. FOLDER is where the database goes, by default the system's
temporary folder; both runs wait for the disk's fsync, so the disk decides what you see.
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from rollcall.eventlog import EventLog, Record, Topic, open_log

SECONDS = 3.0
TOGETHER = 64
# The size of a typical activity record.
VALUE = b"x" * 320
TOPIC = Topic("bench", kept_for_ms=0)


async def rows_per_second(log: EventLog, callers: int) -> float:
    """Append rows one by one from so many concurrent callers; return rows acknowledged a second."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    rows = 0

    async def caller() -> None:
        nonlocal rows
        while loop.time() - begin < SECONDS:
            await log.append(TOPIC.name, [Record(VALUE)])
            rows += 1

    await asyncio.gather(*(caller() for _ in range(callers)))
    return rows / (loop.time() - begin)


async def main(folder: str) -> None:
    """Print both rates, their ratio, and the disk's own fsync for comparison."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        log = await open_log(f"sqlite://{scratch}/events.db", [TOPIC])
        try:
            single = await rows_per_second(log, 1)
            grouped = await rows_per_second(log, TOGETHER)
        finally:
            await log.close()
        print(f"bare 4 KiB write + fsync      {bare_fsyncs(Path(scratch)):10,.0f} /s")
    print(f"1 append at a time            {single:10,.0f} rows/s")
    print(f"{TOGETHER} appends at a time          {grouped:10,.0f} rows/s")
    print(f"ratio                         {grouped / single:10.1f}")


def bare_fsyncs(folder: Path) -> float:
    """Return how many small appends with fsync the disk does in a second, without any database."""
    with (folder / "bare").open("wb", buffering=0) as file:
        begin = time.perf_counter()
        count = 0
        while time.perf_counter() - begin < SECONDS / 3:
            file.write(VALUE.ljust(4096))
            os.fsync(file.fileno())
            count += 1
        return count / (time.perf_counter() - begin)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else tempfile.gettempdir()))
