"""What the tests start as processes of their own. Prints an id only after its append returned.

python child.py load PATH RUN            append and consume until killed
python child.py append PATH NAME COUNT   append COUNT ids, one by one from several callers, then end
python child.py limited PATH BYTES       append until no file may grow beyond BYTES, then lift the limit
"""

import asyncio
import itertools
import os
import resource
import sys
from collections.abc import Awaitable, Callable

from rollcall.errors import LogUnavailableError
from rollcall.eventlog import EventLog, Record, Topic, open_log

TOPICS = [Topic("facts", kept_for_ms=10**12)]
CALLERS = 8
BATCH = 3


def tell(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())  # one write, so never half a line


async def load(log: EventLog, run: str) -> None:
    async def append(caller: int) -> None:
        for number in itertools.count():
            ids = [f"{run}.{caller}.{number}.{part}" for part in range(BATCH)]
            await log.append("facts", [Record(name.encode().ljust(300)) for name in ids])
            tell("appended", *ids)

    async def consume() -> None:
        reader = await log.reader("facts", "group")
        while True:
            entries = await reader.read(50, 10)
            await reader.commit(entries)
            if entries:
                tell("committed", entries[-1].offset)

    await asyncio.gather(consume(), *(append(caller) for caller in range(CALLERS)))


async def append(log: EventLog, name: str, count: str) -> None:
    async def some(caller: int) -> None:
        for number in range(caller, int(count), CALLERS):
            await log.append("facts", [Record(f"{name}.{number}".encode())])
            tell("appended", f"{name}.{number}")

    await asyncio.gather(*(some(caller) for caller in range(CALLERS)))


async def limited(log: EventLog, size: str) -> None:
    await log.state("facts")  # keeps a second connection open, as in real life, so that the WAL stays
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), hard))
    for number in itertools.count():
        try:
            await log.append("facts", [Record(f"before.{number}".encode().ljust(1000))])
        except LogUnavailableError as error:
            tell("refused", error)
            break
        tell("appended", f"before.{number}")
    try:
        await log.check()
    except LogUnavailableError:
        tell("unhealthy")
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    for number in range(20):
        await log.append("facts", [Record(f"after.{number}".encode().ljust(1000))])
        tell("appended", f"after.{number}")
    await log.check()


COMMANDS: dict[str, Callable[..., Awaitable[None]]] = {"load": load, "append": append, "limited": limited}


async def main(command: str, path: str, *args: str) -> None:
    log = await open_log(f"sqlite://{path}", TOPICS)
    try:
        await COMMANDS[command](log, *args)
    finally:
        await log.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
