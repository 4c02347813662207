"""Records in and out of a topic's table."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing

from rollcall.eventlog.interface import Entry, TopicState
from rollcall.eventlog.sqlite.schema import TopicTable


def insert(db: sqlite3.Connection, table: TopicTable, values: Sequence[bytes], appended_at: int) -> None:
    """Append values to a topic, in the transaction that the caller began. ``appended_at`` is epoch ms."""
    db.executemany(
        table.sql("INSERT INTO {table} (appended_at, value) VALUES (?, ?)"),
        [(appended_at, value) for value in values],
    )
    db.execute(
        "UPDATE topics SET records = records + ?, bytes = bytes + ? WHERE id = ?",
        (len(values), sum(map(len, values)), table.id),
    )


def select(
    db: sqlite3.Connection, table: TopicTable, first: int, last: int | None, max_records: int, max_bytes: int
) -> list[Entry]:
    """Return entries from offset ``first`` up to and including ``last``, in order.

    At most ``max_records``, and no more once they hold ``max_bytes``, but at least one when there is one.
    """
    statement = 'SELECT "offset", value FROM {table} WHERE "offset" BETWEEN ? AND ? ORDER BY "offset" LIMIT ?'
    bounds = (first, 2**63 - 1 if last is None else last, max_records)
    entries: list[Entry] = []
    size = 0
    # Row by row: rows beyond the bound are not even loaded.
    with closing(db.execute(table.sql(statement), bounds)) as rows:
        for offset, value in rows:
            entries.append(Entry(value, 0, offset, f"{table.topic.name}/0@{offset}"))
            size += len(value)
            if size >= max_bytes:
                break
    return entries


def newest(db: sqlite3.Connection, table: TopicTable) -> int:
    """Return the highest offset kept, 0 when the topic is empty."""
    offset: int = db.execute(table.sql('SELECT coalesce(max("offset"), 0) FROM {table}')).fetchone()[0]
    return offset


def measure(db: sqlite3.Connection, table: TopicTable) -> TopicState:
    """Return how a topic stands, all of one moment.

    Lag is counted from offsets: they have no gaps, as a transaction that is rolled back gives its offsets back
    and only the oldest records are ever removed.
    """
    db.execute("BEGIN")
    try:
        kept, size = db.execute("SELECT records, bytes FROM topics WHERE id = ?", (table.id,)).fetchone()
        end = newest(db, table) + 1
        groups = db.execute("SELECT group_name, next FROM positions WHERE topic = ?", (table.id,)).fetchall()
    finally:
        db.execute("ROLLBACK")
    return TopicState(kept, size, {group: max(0, min(kept, end - following)) for group, following in groups})
