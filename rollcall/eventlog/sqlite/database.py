"""The database: its file, which only its owner can read, its tables, and the SQL statements on them.

Those are records in and out, the offsets of consumer groups, retention (old records are removed in steps small enough
that appends hardly notice) and a copy of the whole, taken while others write.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from rollcall.errors import SettingsError
from rollcall.eventlog.interface import Entry, Position, Topic, TopicState
from rollcall.eventlog.sqlite.connection import WriteLock, connect
from rollcall.files import make_private_folder, sync_folder


def create_database_file(database: Path) -> None:
    """Create the database's folders (mode 0700) and its empty file (0600) unless they exist.

    The log may hold payloads that could not be understood, so nobody else may read it. Existing folders and
    files keep their modes.

    Args:
        database: Absolute path of the database file.

    Raises:
        SettingsError: A folder or the file cannot be made or written.
    """
    try:
        make_private_folder(database.parent)
        _make_file(database)
    except OSError as error:
        raise SettingsError(
            f"log_url: cannot create {database}: {error.strerror or error}. Point log_url at a folder on a local "
            f"disk that this user can write, or create {database.parent} and give it to this user."
        ) from error
    if not database.is_file():
        raise SettingsError(f"log_url: {database} is no file. Name the database file, such as …/events.db.")
    if not (os.access(database, os.R_OK | os.W_OK) and os.access(database.parent, os.W_OK | os.X_OK)):
        raise SettingsError(
            f"log_url: {database} and its folder must be readable and writable by this user (uid {os.geteuid()}). "
            "Change their owner, or point log_url elsewhere."
        )


def _make_file(database: Path) -> None:
    # Never open a database that exists: closing the descriptor would drop the locks that SQLite holds on it in
    # this process (POSIX advisory locks belong to the process, not to the descriptor).
    with suppress(FileExistsError):
        os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        sync_folder(database.parent)


VERSION = 2
APPLICATION_ID = 0x524F4C4C  # "ROLL", so that another program's database is not mistaken for a log

_TABLES = (
    # records and bytes are kept with every append, since counting a large topic would take seconds
    "CREATE TABLE topics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " records INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0)",
    "CREATE TABLE positions (group_name TEXT NOT NULL, topic INTEGER NOT NULL REFERENCES topics (id),"
    " next INTEGER NOT NULL, metadata TEXT NOT NULL DEFAULT '', epoch INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY (group_name, topic)) WITHOUT ROWID",
    "CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), noise BLOB NOT NULL)",
)
_FROM_VERSION_1 = (
    "ALTER TABLE positions ADD COLUMN metadata TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE positions ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0",
)
_TOPIC_TABLE = (
    'CREATE TABLE {table} ("offset" INTEGER PRIMARY KEY AUTOINCREMENT, appended_at INTEGER NOT NULL,'
    " value BLOB NOT NULL)"
)


@dataclass(frozen=True, slots=True)
class TopicTable:
    """A topic and its table. Names of topics are data and never part of SQL: the table is named by number."""

    topic: Topic
    id: int
    name: str


def prepare(
    database: Path, topics: Iterable[Topic], write_lock: WriteLock, busy_seconds: float
) -> dict[str, TopicTable]:
    """Create what the file lacks and return the tables of the topics by name.

    Args:
        database: The file, which exists and may be empty.
        topics: The topics to have; others in the file stay as they are.
        write_lock: The right to write.
        busy_seconds: How long SQLite waits for locks.

    Raises:
        SettingsError: The file is no log of this version of Rollcall.
        sqlite3.Error: The file cannot be read or written now.
        LogUnavailableError: Another process writes for too long.
    """
    try:
        with write_lock.held(), closing(connect(database, busy_seconds)) as db:
            _refuse_other_databases(db, database)
            # Both are kept in the file. Vacuum mode comes first: it is fixed once the file has a page.
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("BEGIN IMMEDIATE")
            tables = _create(db, topics)
            db.execute("COMMIT")
            return tables
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", "") != "SQLITE_NOTADB":
            raise
        raise SettingsError(
            f"log_url: {database} is no SQLite database. Point log_url at another file, or move this one away."
        ) from error


def _create(db: sqlite3.Connection, topics: Iterable[Topic]) -> dict[str, TopicTable]:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version < VERSION:
        for statement in _FROM_VERSION_1 if version else _TABLES:
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {VERSION}")
    return {topic.name: _topic_table(db, topic) for topic in topics}


def _refuse_other_databases(db: sqlite3.Connection, database: Path) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (objects,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if objects and application != APPLICATION_ID:
        raise SettingsError(f"log_url: {database} belongs to another program. Point log_url at another file.")
    if version > VERSION:
        raise SettingsError(
            f"log_url: {database} was written by a newer Rollcall (format {version}, this one knows {VERSION}). "
            "Run that version, or point log_url at another file."
        )


def _topic_table(db: sqlite3.Connection, topic: Topic) -> TopicTable:
    row = db.execute("SELECT id FROM topics WHERE name = ?", (topic.name,)).fetchone()
    if row:
        return TopicTable(topic, row[0], f"topic_{row[0]}")
    (number,) = db.execute("INSERT INTO topics (name) VALUES (?) RETURNING id", (topic.name,)).fetchone()
    table = TopicTable(topic, number, f"topic_{number}")
    db.execute(_TOPIC_TABLE.format(table=table.name))
    return table


_INSERT = "INSERT INTO {table} (appended_at, value) VALUES (?, ?)"
_SELECT = 'SELECT "offset", value FROM {table} WHERE "offset" BETWEEN ? AND ? ORDER BY "offset" LIMIT ?'
_FIRST = 'SELECT min("offset") FROM {table}'
_NEWEST = 'SELECT coalesce(max("offset"), 0) FROM {table}'
_OLDEST = 'SELECT "offset", appended_at, length(value) FROM {table} WHERE "offset" < ? ORDER BY "offset" LIMIT ?'
_DELETE = 'DELETE FROM {table} WHERE "offset" <= ?'


def insert(db: sqlite3.Connection, table: TopicTable, values: Sequence[bytes], appended_at: int) -> None:
    """Append values to a topic, in the transaction that the caller began. ``appended_at`` is epoch ms."""
    db.executemany(
        _INSERT.format(table=table.name),
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
    bounds = (first, 2**63 - 1 if last is None else last, max_records)
    entries: list[Entry] = []
    size = 0
    # Row by row: rows beyond the bound are not even loaded.
    with closing(db.execute(_SELECT.format(table=table.name), bounds)) as rows:
        for offset, value in rows:
            entries.append(Entry(value, 0, offset, f"{table.topic.name}/0@{offset}"))
            size += len(value)
            if size >= max_bytes:
                break
    return entries


def blank(db: sqlite3.Connection, table: TopicTable, offsets: Sequence[int]) -> None:
    """Take the values of some records away, in the caller's transaction; offsets keep having no gaps."""
    marks = ",".join("?" * len(offsets))
    (size,) = db.execute(
        f'SELECT coalesce(sum(length(value)), 0) FROM {table.name} WHERE "offset" IN ({marks})',  # noqa: S608 - marks are ?
        offsets,
    ).fetchone()
    db.execute("PRAGMA secure_delete = ON")  # pages that become free are overwritten too
    try:
        db.execute(f"UPDATE {table.name} SET value = x'' WHERE \"offset\" IN ({marks})", offsets)  # noqa: S608 - as above
    finally:
        db.execute("PRAGMA secure_delete = FAST")
    db.execute("UPDATE topics SET bytes = bytes - ? WHERE id = ?", (size, table.id))


def give_back(db: sqlite3.Connection) -> None:
    """Give every free page back to the disk, whatever stands in them, in the caller's transaction."""
    db.execute("PRAGMA incremental_vacuum").fetchall()


def newest_offset(db: sqlite3.Connection, table: TopicTable) -> int:
    """Return the highest offset kept, 0 when the topic is empty."""
    offset: int = db.execute(_NEWEST.format(table=table.name)).fetchone()[0]
    return offset


def measure(db: sqlite3.Connection, table: TopicTable) -> TopicState:
    """Return how a topic stands, all of one moment.

    Lag is counted from offsets: they have no gaps, as a transaction that is rolled back gives its offsets back
    and only the oldest records are ever removed.
    """
    db.execute("BEGIN")
    try:
        records, size = db.execute("SELECT records, bytes FROM topics WHERE id = ?", (table.id,)).fetchone()
        end = newest_offset(db, table) + 1
        groups = db.execute("SELECT group_name, next, metadata FROM positions WHERE topic = ?", (table.id,)).fetchall()
    finally:
        db.execute("ROLLBACK")
    return TopicState(
        records,
        size,
        {group: max(0, min(records, end - following)) for group, following, _ in groups},
        {group: [Position(0, following, metadata)] for group, following, metadata in groups},
        end,
    )


@dataclass(frozen=True, slots=True)
class Committed:
    """What a group has committed.

    Attributes:
        next: The offset that it reads next; 0, the oldest record kept, when it committed nothing.
        metadata: What stands beside it.
        epoch: How often the group was sent back to the beginning. A reader that joined before commits nothing more.
    """

    next: int = 0
    metadata: str = ""
    epoch: int = 0


def join_group(db: sqlite3.Connection, table: TopicTable, group: str) -> Committed:
    """Return what a group has committed, registering a group that is new.

    Registering at once, before the first commit, is what holds retention back for it.
    """
    db.execute(
        "INSERT INTO positions (group_name, topic, next) VALUES (?, ?, 0) ON CONFLICT DO NOTHING", (group, table.id)
    )
    return committed(db, table, group)


def commit_offset(
    db: sqlite3.Connection, table: TopicTable, group: str, following: int, metadata: str | None, epoch: int
) -> Committed:
    """Note that a group is done with all before the offset ``following``, and return what it has committed then.

    Never moves a group backwards, nor one that was sent back to the beginning since that epoch. Without metadata, what
    is there stays.
    """
    db.execute(
        "INSERT INTO positions (group_name, topic, next, metadata, epoch) VALUES (?1, ?2, ?3, coalesce(?4, ''), ?5)"
        " ON CONFLICT DO UPDATE SET next = ?3, metadata = coalesce(?4, metadata) WHERE next < ?3 AND epoch = ?5",
        (group, table.id, following, metadata, epoch),
    )
    return committed(db, table, group)


def restart_group(db: sqlite3.Connection, table: TopicTable, group: str, metadata: str, epoch: int) -> int:
    """Send a group back to the oldest record kept; return how many records it reads again.

    0 also when it was sent back before, since that epoch.
    """
    before = committed(db, table, group)
    if before.epoch != epoch:
        return 0
    (oldest,) = db.execute(_FIRST.format(table=table.name)).fetchone()
    db.execute(
        "UPDATE positions SET next = 0, metadata = ?, epoch = epoch + 1 WHERE group_name = ? AND topic = ?",
        (metadata, group, table.id),
    )
    return max(0, before.next - oldest) if oldest is not None else 0


def committed(db: sqlite3.Connection, table: TopicTable, group: str) -> Committed:
    """Return what a group has committed."""
    row = db.execute(
        "SELECT next, metadata, epoch FROM positions WHERE group_name = ? AND topic = ?", (group, table.id)
    ).fetchone()
    return Committed(*row) if row else Committed()


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
        _OLDEST.format(table=table.name),
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
        db.execute(_DELETE.format(table=table.name), (last,))
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


@dataclass(frozen=True, slots=True)
class TopicExtent:
    """Which records of a topic a database has.

    Attributes:
        records: How many.
        first: Offset of the oldest one kept, and where there is none, of the next to come.
        positions: What each group has committed.
    """

    records: int
    first: int
    positions: dict[str, Committed]


def extents(database: Path, busy_seconds: float) -> dict[str, TopicExtent]:
    """Return what a database has of each of its topics, all of one moment, changing nothing.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    with closing(_connect_reading(database, busy_seconds)) as db:
        db.execute("BEGIN")
        found = {}
        for number, name, records in db.execute("SELECT id, name, records FROM topics").fetchall():
            last = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (f"topic_{number}",)).fetchone()
            (first,) = db.execute(_FIRST.format(table=f"topic_{number}")).fetchone()
            rows = db.execute("SELECT group_name, next, metadata, epoch FROM positions WHERE topic = ?", (number,))
            groups = {group: Committed(*rest) for group, *rest in rows.fetchall()}
            found[name] = TopicExtent(records, first or (last[0] + 1 if last else 1), groups)
        return found


COPIED_PAGES = 4096


def copy_database(database: Path, target: Path, busy_seconds: float, progress: Callable[[int, int], None]) -> None:
    """Copy a database as it is at one moment into a file of its own, while others write to it.

    Nothing of theirs waits for it; the write-ahead file grows until it is done.

    Args:
        database: The file, which exists.
        target: The copy; not there yet, and whole only when this returns.
        busy_seconds: How long SQLite waits for locks.
        progress: Called with pages done and all pages. What it raises ends the copy.

    Raises:
        sqlite3.Error: It cannot be read or written, or the copy is damaged, and so is what it is of.
    """

    def step(_: int, left: int, pages: int) -> None:
        progress(pages - left, pages)

    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(_connect_reading(database, busy_seconds)) as source, closing(sqlite3.connect(target)) as copy:
        # Its transaction holds one moment for all steps; without it, each write of others would begin the copy anew.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        source.backup(copy, pages=COPIED_PAGES, progress=step)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without companions
        [(found,), *_] = copy.execute("PRAGMA quick_check(1)").fetchall()
        if found != "ok":
            raise sqlite3.DatabaseError(f"its copy is damaged: {found}")


def _connect_reading(database: Path, busy_seconds: float) -> sqlite3.Connection:
    # Read-only: closing it never empties the write-ahead file, which wants the write lock.
    return sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=busy_seconds, isolation_level=None)
