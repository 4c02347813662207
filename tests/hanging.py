"""A server that hangs: SIGSTOP, and the wait until it has reached every thread."""

import os
import signal
import time
from pathlib import Path

_PATIENCE = 60.0


def hang(pid: int) -> None:
    """Stop a process: its connections stay open, and nothing answers on them. The threads stop one after another."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + _PATIENCE
    while not all(map(_stopped, Path(f"/proc/{pid}/task").iterdir())):
        assert time.monotonic() < deadline, f"process {pid} does not stop"
        time.sleep(0.005)


def _stopped(thread: Path) -> bool:
    try:
        state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return True
    return state == "T"
