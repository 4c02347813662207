"""Processes of one consumer group, and what they wrote."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

from tests.endtoend.installation import PATIENCE

REPOSITORY = Path(__file__).parents[2]


class Sharers:
    """Members that come and go, all noting what they write in one database."""

    def __init__(self, folder: Path, address: str, topic: str, batch: int) -> None:
        self._folder = folder
        self._arguments = (address, topic, str(folder / "written.db"))
        self._batch = batch
        self._names = 0
        self.running: list[subprocess.Popen[bytes]] = []
        self.kills = 0
        self.changes = 0
        with closing(sqlite3.connect(folder / "written.db")) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE written (key TEXT, by TEXT)")

    @property
    def output(self) -> str:
        return (self._folder / "sharers.log").read_text()[-5000:]

    def join(self) -> None:
        self._names += 1
        self.changes += 1
        child = [sys.executable, "-m", "tests.kafka.share_child", *self._arguments, str(self._names), str(self._batch)]
        with (self._folder / "sharers.log").open("ab") as log:
            self.running.append(subprocess.Popen(child, stdout=log, stderr=log, cwd=REPOSITORY))

    def leave(self, index: int) -> None:
        """One member ends as it should."""
        self.changes += 1
        member = self.running.pop(index)
        member.send_signal(signal.SIGTERM)
        # The latter when it was told before it had begun.
        assert member.wait(PATIENCE) in (0, -signal.SIGTERM), self.output

    def leave_all(self) -> None:
        """All end as they should, at once."""
        for member in self.running:
            member.send_signal(signal.SIGTERM)
        for member in self.running:
            assert member.wait(PATIENCE) in (0, -signal.SIGTERM), self.output
        self.running.clear()

    def kill(self, index: int) -> None:
        """One member is gone at once."""
        self.kills += 1
        member = self.running.pop(index)
        assert member.poll() is None, self.output
        os.kill(member.pid, signal.SIGKILL)
        member.wait()

    def end(self) -> None:
        for member in self.running:
            member.kill()
            member.wait()
        self.running.clear()

    def written(self) -> Counter[str]:
        """How often each key was written."""
        with closing(sqlite3.connect(self._folder / "written.db", timeout=60)) as db:
            return Counter(dict(db.execute("SELECT key, count() FROM written GROUP BY key")))

    def writers(self) -> int:
        """How many members wrote anything."""
        with closing(sqlite3.connect(self._folder / "written.db", timeout=60)) as db:
            found: int = db.execute("SELECT count(DISTINCT by) FROM written").fetchone()[0]
            return found
