"""kill -9 leaves the kernel's cache alone and so cannot show a missing fsync; the system calls can."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .processes import CHILD


def test_the_disk_has_the_record_before_append_returns(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace")
    trace = tmp_path / "trace"
    watched = [strace, "-f", "-y", "-e", "trace=pwrite64,fdatasync,fsync,write", "-o", str(trace)]
    child = [sys.executable, str(CHILD), "append", str(tmp_path / "events.db"), "only", "1"]
    done = subprocess.run([*watched, *child], capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr:
        pytest.skip("may not trace here")
    assert done.stdout == "appended only.0\n"
    calls = trace.read_text().splitlines()
    told = next(n for n, call in enumerate(calls) if '"appended only.0' in call)
    before = [call for call in calls[:told] if "events.db-wal>" in call]
    assert any("pwrite64" in call for call in before)
    assert "sync(" in before[-1], "something was written to the WAL after its last fsync"
    folder = [call for call in calls[:told] if "sync(" in call and f"<{tmp_path}>" in call]
    assert folder, "the names of new files are not on the disk"
