"""One test's SQLite log: its file, topics, bounds and clock."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rollcall.eventlog import Topic
from rollcall.eventlog.sqlite import SqliteLog, open_sqlite_log
from rollcall.eventlog.sqlite.connection import Limits

from .contract import LONG_MS

FACTS = Topic("facts", kept_for_ms=LONG_MS)
LETTERS = Topic("letters", kept_for_ms=LONG_MS, consumed=False)
DEFAULTS = Limits()


class Clock:
    """A wall clock that stands still until moved; epoch ms."""

    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.ms


@dataclass
class SqlitePlace:
    """Whichever way it is opened, the same file."""

    path: Path
    consumed: Topic = FACTS
    letters: Topic = LETTERS
    limits: Limits = DEFAULTS
    clock: Clock = field(default_factory=Clock)

    @property
    def topics(self) -> Sequence[Topic]:
        return [self.consumed, self.letters]

    @property
    def wal(self) -> Path:
        return self.path.with_name(self.path.name + "-wal")

    async def open(self) -> SqliteLog:
        return await open_sqlite_log(self.path, self.topics, limits=self.limits, now=self.clock)

    def bounded(self, *, kept_for_ms: int = LONG_MS, kept_bytes: int = 0) -> "SqlitePlace":
        """Return the same place with other retention for both topics."""
        return replace(
            self,
            consumed=replace(self.consumed, kept_for_ms=kept_for_ms, kept_bytes=kept_bytes),
            letters=replace(self.letters, kept_for_ms=kept_for_ms, kept_bytes=kept_bytes),
        )
