"""What a run must remember about every issue and worklog, on disk so that memory does not grow with the site."""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from reconcile.facts.maker import Place

_SCHEMA = """
CREATE TABLE IF NOT EXISTS issues (id INTEGER PRIMARY KEY, key TEXT NOT NULL, project TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS worklogs (id INTEGER PRIMARY KEY, seen INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS deleted_worklogs (id INTEGER PRIMARY KEY);
"""
_MOST_VARIABLES = 900


class Spool:
    """A small SQLite file; what was put in is durable when the call returns.

    Args:
        path: The file, or ``:memory:`` for a run that leaves nothing behind.
    """

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA cache_size = -2000")
        self._db.executescript(_SCHEMA)

    def put_issues(self, places: Iterable[Place]) -> None:
        """Remember where facts of these issues belong."""
        self._put("INSERT OR REPLACE INTO issues VALUES (?, ?, ?)", places)

    def places(self, issue_ids: Iterable[int]) -> dict[int, Place]:
        """Return the places of the issues that are remembered."""
        found = {}
        for some in _slices(set(issue_ids)):
            marks = ",".join("?" * len(some))
            rows = self._db.execute(f"SELECT id, key, project FROM issues WHERE id IN ({marks})", some)  # noqa: S608 - marks are ?
            found.update({row[0]: Place(*row) for row in rows})
        return found

    def name_worklogs(self, ids: Iterable[int]) -> None:
        """Remember worklogs that a changelog entry named."""
        self._put("INSERT OR IGNORE INTO worklogs VALUES (?, 0)", ((one,) for one in ids))

    def see_worklogs(self, ids: Iterable[int]) -> None:
        """Remember worklogs that were asked for."""
        self._put("INSERT OR REPLACE INTO worklogs VALUES (?, 1)", ((one,) for one in ids))

    def unseen_worklogs(self, most: int) -> list[int]:
        """Return some worklogs that were named, never asked for, and not deleted since."""
        rows = self._db.execute(
            "SELECT id FROM worklogs WHERE seen = 0 AND id NOT IN (SELECT id FROM deleted_worklogs) LIMIT ?", (most,)
        )
        return [row[0] for row in rows]

    def not_seen(self, ids: Iterable[int]) -> list[int]:
        """Return those of these worklogs that were not asked for yet, in order, each once."""
        wanted = list(dict.fromkeys(ids))
        known: set[int] = set()
        for some in _slices(wanted):
            marks = ",".join("?" * len(some))
            rows = self._db.execute(f"SELECT id FROM worklogs WHERE seen = 1 AND id IN ({marks})", some)  # noqa: S608 - marks are ?
            known.update(row[0] for row in rows)
        return [one for one in wanted if one not in known]

    def name_deleted(self, ids: Iterable[int]) -> None:
        """Remember worklogs whose deletion a changelog entry named."""
        self._put("INSERT OR IGNORE INTO deleted_worklogs VALUES (?)", ((one,) for one in ids))

    def named_deleted(self, ids: Iterable[int]) -> set[int]:
        """Return those of these worklogs whose deletion was named."""
        found: set[int] = set()
        for some in _slices(ids):
            marks = ",".join("?" * len(some))
            rows = self._db.execute(f"SELECT id FROM deleted_worklogs WHERE id IN ({marks})", some)  # noqa: S608 - marks are ?
            found.update(row[0] for row in rows)
        return found

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _put(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(statement, rows)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _slices(ids: Iterable[int]) -> Iterator[list[int]]:
    wanted = list(ids)
    for start in range(0, len(wanted), _MOST_VARIABLES):
        yield wanted[start : start + _MOST_VARIABLES]
