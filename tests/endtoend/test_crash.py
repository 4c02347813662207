"""A crash inside the embedded engine ends `up`, instead of leaving it alive and of no use."""

import signal
from pathlib import Path

import pytest

from .installation import PATIENCE, Installation
from .webhooks import comment_created


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT], ids=["SIGSEGV", "SIGABRT"])
def test_a_crash_ends_the_process_and_loses_nothing(tmp_path: Path, number: signal.Signals) -> None:
    up = Installation(tmp_path)
    up.start()
    up.wait_for("/readyz")
    assert {up.post(comment_created(one)[1]) for one in range(20)} == {204}
    assert up.process
    up.process.send_signal(number)
    assert up.process.wait(PATIENCE) == -number
    up.start()
    up.wait_until_written()
    assert len(up.report("days", "--days", "9999")) == 20
    assert up.stop() == 0, up.output
