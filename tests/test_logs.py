"""Which retries the log tells of: outages of log and warehouse. What Jira makes a client wait for is no outage."""

import subprocess
import sys

RETRYING = """
import stamina
from rollcall.errors import LogUnavailableError
from rollcall.logs import configure_logging

class AgainError(Exception):
    pass

configure_logging("info", "json")
for kind in (AgainError, LogUnavailableError):
    for attempt in stamina.retry_context(on=kind, attempts=2, wait_initial=0, wait_jitter=0):
        with attempt:
            if attempt.num == 1:
                raise kind("away")
"""


def test_retries_after_outages_are_logged_and_others_are_not() -> None:
    done = subprocess.run([sys.executable, "-c", RETRYING], capture_output=True, text=True, check=True)
    (line,) = done.stderr.splitlines()
    assert "LogUnavailableError('away')" in line
    assert done.stdout == ""
