"""The event log on one machine: a SQLite file in WAL mode, shared by the processes of that machine."""

from rollcall.eventlog.sqlite.log import SqliteLog, open_sqlite_log

__all__ = ["SqliteLog", "open_sqlite_log"]
