"""How far each consumer group is done with a topic."""

import sqlite3

from rollcall.eventlog.sqlite.schema import TopicTable


def join(db: sqlite3.Connection, table: TopicTable, group: str) -> int:
    """Return the offset a group reads next, registering a group that is new: 0, the oldest record kept.

    Registering at once, before the first commit, is what holds retention back for it.
    """
    db.execute(
        "INSERT INTO positions (group_name, topic, next) VALUES (?, ?, 0) ON CONFLICT DO NOTHING", (group, table.id)
    )
    return committed(db, table, group)


def advance(db: sqlite3.Connection, table: TopicTable, group: str, following: int) -> None:
    """Note that a group is done with all before the offset ``following``. Never moves a group backwards."""
    db.execute(
        "INSERT INTO positions (group_name, topic, next) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET next = max(next, excluded.next)",
        (group, table.id, following),
    )


def committed(db: sqlite3.Connection, table: TopicTable, group: str) -> int:
    """Return the offset a group reads next after all it committed; 0 when it committed nothing."""
    row = db.execute("SELECT next FROM positions WHERE group_name = ? AND topic = ?", (group, table.id)).fetchone()
    following: int = row[0] if row else 0
    return following
