"""How much the SQLite log holds in memory, how much goes into one transaction, and how long it waits."""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one open log.

    Attributes:
        pending_bytes: What may wait in memory for the disk; above it, appending is refused at once. A single
            batch larger than this is taken only when nothing else waits.
        transaction_bytes: A transaction takes no further work once it has this much.
        transaction_works: Nor once it has this many appends and commits.
        read_bytes: A read returns fewer records than asked once it has this much.
        busy_seconds: How long to wait for another process before saying that the log is unavailable.
        wal_bytes: Size of the write-ahead file above which it is emptied into the database and truncated.
    """

    pending_bytes: int = 64 * MIB
    transaction_bytes: int = 8 * MIB
    transaction_works: int = 1024
    read_bytes: int = 16 * MIB
    busy_seconds: float = 5.0
    wal_bytes: int = 64 * MIB
