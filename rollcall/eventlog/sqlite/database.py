"""The database: its file, which only its owner can read, and its tables."""

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from rollcall.errors import SettingsError
from rollcall.eventlog.interface import Topic
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


VERSION = 1
APPLICATION_ID = 0x524F4C4C  # "ROLL", so that another program's database is not mistaken for a log

_TABLES = (
    # records and bytes are kept with every append, since counting a large topic would take seconds
    "CREATE TABLE topics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " records INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0)",
    "CREATE TABLE positions (group_name TEXT NOT NULL, topic INTEGER NOT NULL REFERENCES topics (id),"
    " next INTEGER NOT NULL, PRIMARY KEY (group_name, topic)) WITHOUT ROWID",
    "CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), noise BLOB NOT NULL)",
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
    if db.execute("PRAGMA user_version").fetchone() == (0,):
        for statement in _TABLES:
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
