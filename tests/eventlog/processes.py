"""Starting the children and reading what they print."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHILD = Path(__file__).with_name("child.py")


@contextmanager
def child(*args: object) -> Iterator[subprocess.Popen[str]]:
    """Start a child; kill it at the end if it still runs."""
    command = [sys.executable, str(CHILD), *map(str, args)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: subprocess.Popen[str]) -> Iterator[list[str]]:
    """Yield the words of each whole line."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith("\n"):
            yield line.split()
