"""The SQLite log keeps the contract."""

from .contract import EventLogContract


class TestSqlite(EventLogContract):
    """Runs on asyncio and on uvloop, with the fixture `place` of this folder."""
