"""Removing old records, in steps small enough that appends hardly notice."""

import sqlite3

from rollcall.eventlog.sqlite.schema import TopicTable

STEP_RECORDS = 1000
STEP_BYTES = 8 * 1024 * 1024
STEP_PAGES = 256

_SPARE_PAGES = 256
_SPARE_SHARE = 8


def remove_step(db: sqlite3.Connection, table: TopicTable, now: int) -> int:
    """Remove the oldest records that may go, up to one step's worth, in the caller's transaction.

    A record may go when it is older than its topic keeps, or while the topic is larger than its limit; never one
    that some group of a consumed topic has not committed, nor any while such a topic has no group.

    Args:
        db: The writing connection.
        table: The topic.
        now: Epoch ms.

    Returns:
        How many went; 0 when nothing more may go.
    """
    topic = table.topic
    (size,) = db.execute("SELECT bytes FROM topics WHERE id = ?", (table.id,)).fetchone()
    excess = size - topic.kept_bytes if topic.kept_bytes else 0
    rows = db.execute(
        table.sql(
            'SELECT "offset", appended_at, length(value) FROM {table} WHERE "offset" < ? ORDER BY "offset" LIMIT ?'
        ),
        (_first_needed(db, table), STEP_RECORDS),
    )
    last = removed = freed = 0
    for offset, appended_at, length in rows:
        if freed >= STEP_BYTES or (appended_at + topic.kept_for_ms > now and freed >= excess):
            break
        last = offset
        removed += 1
        freed += length
    rows.close()
    if removed:
        db.execute(table.sql('DELETE FROM {table} WHERE "offset" <= ?'), (last,))
        db.execute(
            "UPDATE topics SET records = records - ?, bytes = bytes - ? WHERE id = ?", (removed, freed, table.id)
        )
    return removed


def shrink_step(db: sqlite3.Connection) -> bool:
    """Give one step's worth of free pages back to the disk, in the caller's transaction.

    Some stay free for the records to come, so that the file need not grow again at once.

    Returns:
        Whether there is more to give back.
    """
    free: int = db.execute("PRAGMA freelist_count").fetchone()[0]
    pages: int = db.execute("PRAGMA page_count").fetchone()[0]
    surplus = free - max(_SPARE_PAGES, pages // _SPARE_SHARE)
    if surplus <= 0:
        return False
    # fetchall: each step of the statement frees one page.
    db.execute(f"PRAGMA incremental_vacuum({min(surplus, STEP_PAGES)})").fetchall()
    return surplus > STEP_PAGES


def _first_needed(db: sqlite3.Connection, table: TopicTable) -> int:
    if not table.topic.consumed:
        return 2**63 - 1
    (first,) = db.execute("SELECT coalesce(min(next), 0) FROM positions WHERE topic = ?", (table.id,)).fetchone()
    needed: int = first
    return needed
