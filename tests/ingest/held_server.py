"""A process for the stop tests: serves with a real log whose appends wait until a file appears.

Arguments: folder. Prints ``port N``, then ``append`` for each append that begins, and ``closed`` at the end.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from ingest.app import create_app
from rollcall.eventlog import Record, open_log
from rollcall.http.server import serve
from rollcall.runtime import Runtime, topics_of
from rollcall.settings import Settings


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(folder: Path) -> None:
    site = {"url": "https://lax.atlassian.net", "unsigned": True}
    settings = Settings.model_validate({"sites": {"lax": site}})
    topics = topics_of(settings)
    log = await open_log(f"sqlite://{folder}/events.db", topics.all())
    append = log.append

    async def held(topic: str, records: Sequence[Record]) -> None:
        say("append")
        while not (folder / "go").exists():
            await asyncio.sleep(0.005)
        await append(topic, records)

    log.append = held  # type: ignore[method-assign]  # held on purpose
    app = create_app(Runtime(settings, topics, log), checks={})
    await serve(app, "127.0.0.1:0", drain_timeout=20, ready=lambda port: say(f"port {port}"))
    await log.close()
    say("closed")


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1])))
    sys.exit(7)
