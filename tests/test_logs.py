"""Which retries the log tells of: outages of log and warehouse. What Jira makes a client wait for is no outage."""

import json
import subprocess
import sys

RETRYING = """
import asyncio
import stamina
from rollcall.errors import LogUnavailableError
from rollcall.logs import configure_logging, logger
from rollcall.outage import Outage

class AgainError(Exception):
    pass

async def main(failures):
    configure_logging("info", "json")
    async for attempt in stamina.retry_context(on=AgainError, attempts=2, wait_initial=0, wait_jitter=0):
        with attempt:
            if attempt.num == 1:
                raise AgainError("away")

    async def fail_at_first():
        if failures:
            raise failures.pop()

    await Outage(logger("retrying"), 0.001, topic="events").wait_out(fail_at_first, asyncio.Event())

asyncio.run(main([LogUnavailableError("away")] * 5))
"""


def test_retries_after_outages_are_logged_and_others_are_not() -> None:
    done = subprocess.run([sys.executable, "-c", RETRYING], capture_output=True, text=True, check=True)
    away, back = map(json.loads, done.stderr.splitlines())
    assert (away["event"], away["level"]) == ("waiting for the event log", "warning")
    assert (away["topic"], away["cause"], away["seconds"], away["tries"]) == ("events", "away", 0, 1)
    assert (back["event"], back["level"]) == ("the event log answers again after 0 s", "info")
    assert (back["topic"], back["tries"]) == ("events", 5)
    assert done.stdout == ""
