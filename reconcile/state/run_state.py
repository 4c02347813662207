"""The state of a run: a folder with lock, checkpoint and spool of each site, or nothing that lasts.

One run a site at a time, as far as a lock file reaches: two would do no harm, only work for Jira. The spool keeps what
a run must remember about every issue and worklog on disk, so that memory does not grow with the site.
"""

import fcntl
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from reconcile.state.checkpoint import Checkpoint, CheckpointError, read_checkpoint, write_state
from rollcall.errors import RollcallError, SettingsError
from rollcall.eventlog.log_url import sqlite_file
from rollcall.jira.values import IssueRef
from rollcall.settings import Settings


class AlreadyRunningError(RollcallError):
    """Another run of the same site is under way."""


class RunLock:
    """The hold on a site's runs; the kernel lets it go however the process ends.

    Raises:
        AlreadyRunningError: Another process has it; the text names it.
    """

    def __init__(self, path: Path, site: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._fd, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise AlreadyRunningError(
                f"site {site}: another reconcile is under way (process {holder}); wait for it, or stop it and go on "
                "with --resume"
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, str(os.getpid()).encode(), 0)

    def __enter__(self) -> "RunLock":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._fd)


_SCHEMA = """
CREATE TABLE IF NOT EXISTS issues (id INTEGER PRIMARY KEY, key TEXT NOT NULL, project TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS worklogs (id INTEGER PRIMARY KEY, seen INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS unseen_worklogs ON worklogs (id) WHERE seen != 1;
CREATE TABLE IF NOT EXISTS deleted_worklogs (id INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS worklog_issues (id INTEGER PRIMARY KEY, issue INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS missed_worklogs (id INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS given_worklogs (id INTEGER PRIMARY KEY, touched INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS census (id INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS moves (
    id INTEGER PRIMARY KEY, updated INTEGER NOT NULL, said INTEGER NOT NULL,
    entries INTEGER NOT NULL, newest INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS asked (id INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS refusals (id INTEGER, what TEXT, reason TEXT, PRIMARY KEY (id, what));
"""
_MOST_VARIABLES = 900


class Move(NamedTuple):
    """An issue that was changed since it was made, and what came of its changelog. Times are epoch ms.

    Attributes:
        updated: When it was changed last, as it says itself.
        said: When the newest comment was made or edited that came with it, if that lies in the window.
        entries: How many changelog entries came.
        newest: When the newest of them was made; 0 for none.
    """

    updated: int
    said: int = 0
    entries: int = 0
    newest: int = 0

    @property
    def is_unexplained(self) -> bool:
        """Whether nothing that came says why it moved; of one without entries a comment alone says too little."""
        return self.updated > (max(self.newest, self.said) if self.entries else 0)


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

    def put_issues(self, places: Iterable[IssueRef]) -> None:
        """Remember where facts of these issues belong."""
        self._put("INSERT OR REPLACE INTO issues VALUES (?, ?, ?)", places)

    def places(self, issue_ids: Iterable[int]) -> dict[int, IssueRef]:
        """Return the places of the issues that are remembered."""
        found = {}
        for some in _slices(set(issue_ids)):
            marks = ",".join("?" * len(some))
            rows = self._db.execute(f"SELECT id, key, project FROM issues WHERE id IN ({marks})", some)  # noqa: S608 - marks are ?
            found.update({row[0]: IssueRef(*row) for row in rows})
        return found

    def known_issues(self) -> int:
        """Return how many issues are remembered."""
        return self._count("issues")

    def list_issues(self, ids: Iterable[int]) -> int:
        """Remember issues that a census lists, and return how many those are by now."""
        self._put("INSERT OR IGNORE INTO census VALUES (?)", ((one,) for one in ids))
        return self._count("census")

    def forget_census(self) -> None:
        """Make room for another census."""
        self._put("DELETE FROM census WHERE id > ?", ((-1,),))

    def unread(self, what: str, most: int) -> list[int]:
        """Return some issues that the census lists, that are not remembered and have no refusal of this kind."""
        rows = self._db.execute(
            "SELECT id FROM census WHERE id NOT IN (SELECT id FROM issues) "
            "AND id NOT IN (SELECT id FROM refusals WHERE what = ?) ORDER BY id LIMIT ?",
            (what, most),
        )
        return [row[0] for row in rows]

    def unlisted_issues(self) -> int:
        """Return how many issues are remembered that the census does not list."""
        return self._count("issues WHERE id NOT IN (SELECT id FROM census)")

    def is_listed(self, issue_id: int) -> bool:
        """Return whether the census lists an issue."""
        return self._db.execute("SELECT 1 FROM census WHERE id = ?", (issue_id,)).fetchone() is not None

    def not_listed(self, ids: Iterable[int]) -> set[int]:
        """Return those of these issues that neither the census lists nor the search gave."""
        missing = set(ids)
        for some in _slices(list(missing)):
            marks = ",".join("?" * len(some))
            for table in ("census", "issues"):
                rows = self._db.execute(f"SELECT id FROM {table} WHERE id IN ({marks})", some)  # noqa: S608 - marks are ?
                missing.difference_update(row[0] for row in rows)
        return missing

    def refuse(self, what: str, reasons: Mapping[int, str]) -> None:
        """Remember issues of which Jira did not give this, and why."""
        self._put(
            "INSERT OR REPLACE INTO refusals VALUES (?, ?, ?)", ((one, what, why) for one, why in reasons.items())
        )

    def refusals(self) -> list[tuple[int, str, str]]:
        """Return the refusals: id, what was refused, and why."""
        return self._db.execute("SELECT id, what, reason FROM refusals ORDER BY id").fetchall()

    def move_issues(self, moves: Mapping[int, Move]) -> None:
        """Remember issues that were changed since they were made; nothing has come of their changelogs yet."""
        self._put("INSERT OR REPLACE INTO moves VALUES (?, ?, ?, ?, ?)", ((one, *move) for one, move in moves.items()))

    def ask_comments(self, ids: Iterable[int]) -> None:
        """Remember issues that were asked for their comments."""
        self._put("INSERT OR IGNORE INTO asked VALUES (?)", ((one,) for one in ids))

    def asked_comments(self, ids: Iterable[int]) -> set[int]:
        """Return those of these issues that were asked for their comments."""
        found: set[int] = set()
        for some in _slices(ids):
            marks = ",".join("?" * len(some))
            rows = self._db.execute(f"SELECT id FROM asked WHERE id IN ({marks})", some)  # noqa: S608 - marks are ?
            found.update(row[0] for row in rows)
        return found

    def forget_entries(self, ids: Iterable[int]) -> None:
        """Forget what came of their changelogs, before it is read anew."""
        self._put("UPDATE moves SET entries = 0, newest = 0 WHERE id = ?", ((one,) for one in ids))

    def count_entries(self, came: Mapping[int, tuple[int, int]]) -> None:
        """Add entries that came: by issue how many, and when the newest of them was made, epoch ms."""
        self._put(
            "UPDATE moves SET entries = entries + ?, newest = max(newest, ?) WHERE id = ?",
            ((number, newest, one) for one, (number, newest) in came.items()),
        )

    def moves(self, ids: Iterable[int]) -> dict[int, Move]:
        """Return those of these issues that were changed since they were made."""
        found = {}
        for some in _slices(ids):
            marks = ",".join("?" * len(some))
            rows = self._db.execute(f"SELECT * FROM moves WHERE id IN ({marks})", some)  # noqa: S608 - marks are ?
            found.update({row[0]: Move(*row[1:]) for row in rows})
        return found

    def name_worklogs(self, named: Mapping[int, int]) -> None:
        """Remember worklogs that a changelog entry named, and of which issue it was."""
        self._put("INSERT OR IGNORE INTO worklogs VALUES (?, 0)", ((one,) for one in named))
        self._put("INSERT OR REPLACE INTO worklog_issues VALUES (?, ?)", named.items())

    def miss_worklogs(self, ids: Iterable[int]) -> None:
        """Remember worklogs that Jira did not give."""
        self._put("INSERT OR IGNORE INTO missed_worklogs VALUES (?)", ((one,) for one in ids))

    def forget_missed(self, ids: Iterable[int]) -> None:
        """Forget those of them that are known to be gone."""
        self._put("DELETE FROM missed_worklogs WHERE id = ?", ((one,) for one in ids))

    def missed_worklogs(self) -> dict[int, int]:
        """Return those that Jira did not give though an entry of this issue named them, and no other their deletion."""
        rows = self._db.execute(
            "SELECT id, issue FROM missed_worklogs JOIN worklog_issues USING (id) "
            "WHERE id NOT IN (SELECT id FROM deleted_worklogs)"
        )
        return dict(rows.fetchall())

    def see_worklogs(self, ids: Iterable[int]) -> None:
        """Remember worklogs that were requested."""
        self._put("INSERT OR REPLACE INTO worklogs VALUES (?, 1)", ((one,) for one in ids))

    def give_worklogs(self, given: Mapping[int, int]) -> None:
        """Remember worklogs that need no request, for they came with their issues, and when each was touched last."""
        self._put("INSERT OR REPLACE INTO given_worklogs VALUES (?, ?)", given.items())
        self.see_worklogs(given)

    def given_worklogs(self) -> int:
        """Return how many worklogs came with their issues."""
        return self._count("given_worklogs")

    def unsee_worklogs(self, touched: Iterable[tuple[int, int]]) -> None:
        """Have those of these worklogs requested that were touched since they were given: id and time, epoch ms."""
        rows = list(touched)
        later = "(SELECT id FROM given_worklogs WHERE id = ? AND touched < ?)"
        self._put(f"UPDATE worklogs SET seen = 2 WHERE id IN {later}", rows)  # noqa: S608 - no word of others
        self._put(f"DELETE FROM given_worklogs WHERE id IN {later}", rows)  # noqa: S608 - likewise

    def list_worklogs(self, ids: Iterable[int]) -> None:
        """Remember worklogs that Jira lists as touched; those are there, whatever a changelog entry says."""
        self._put(
            "INSERT INTO worklogs VALUES (?, 2) ON CONFLICT (id) DO UPDATE SET seen = 2 WHERE seen = 0",
            ((one,) for one in ids),
        )

    def unseen_worklogs(self, most: int) -> list[int]:
        """Return some worklogs that were listed, or named and not deleted since, and never requested."""
        rows = self._db.execute(
            "SELECT id FROM worklogs WHERE seen != 1 "
            "AND (seen = 2 OR id NOT IN (SELECT id FROM deleted_worklogs)) LIMIT ?",
            (most,),
        )
        return [row[0] for row in rows]

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

    def clear(self) -> None:
        """Forget everything."""
        for (table,) in self._db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - one of our tables

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _count(self, table: str) -> int:
        row = self._db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - one of our tables
        return int(row[0])

    def _put(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(statement, rows)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _slices(ids: Iterable[int]) -> Iterator[list[int]]:
    all_ids = list(ids)
    for start in range(0, len(all_ids), _MOST_VARIABLES):
        yield all_ids[start : start + _MOST_VARIABLES]


def state_folder(settings: Settings) -> Path | None:
    """Return the folder of checkpoints: the setting, else ``reconcile`` beside a SQLite log; None without either."""
    if settings.reconcile.state_dir:
        return settings.reconcile.state_dir
    log = sqlite_file(settings.log_url)
    return log.parent / "reconcile" if log else None


class RunState:
    """What one run remembers.

    Args:
        spool: Per issue and worklog.
        path: The checkpoint's file; None when nothing is to last.
    """

    def __init__(self, spool: Spool, path: Path | None) -> None:
        self.spool = spool
        self._path = path

    def keep(self, checkpoint: Checkpoint) -> None:
        """Write the checkpoint. Raises CheckpointError."""
        if self._path:
            write_state(self._path, checkpoint)

    def begin_anew(self) -> None:
        """Forget all that a run remembered, for another one that takes its place."""
        self.spool.clear()
        self.discard()

    def discard(self) -> None:
        """Leave nothing to go on with, so that the next run is a new one."""
        if self._path:
            self._path.unlink(missing_ok=True)


@contextmanager
def temporary_state() -> Iterator[RunState]:
    """Remember nothing beyond the block."""
    with tempfile.TemporaryDirectory(prefix="rollcall-") as folder:
        spool = Spool(Path(folder) / "spool.db")
        try:
            yield RunState(spool, None)
        finally:
            spool.close()


@contextmanager
def lasting_state(folder: Path, site: str, *, resume: bool) -> Iterator[tuple[RunState, Checkpoint | None]]:
    """Lock the site's runs and open what an interrupted run left, if it is to go on.

    Yields:
        The memory, and the checkpoint to go on from; None for a new run.

    Raises:
        AlreadyRunningError: Another run of the site is under way.
        CheckpointError: The folder cannot be used or the checkpoint not read.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = RunLock(folder / f"{site}.lock", site)
    except OSError as error:
        raise CheckpointError(
            f"cannot use {folder} for checkpoints ({error.strerror}); make it writable or set reconcile.state_dir"
        ) from error
    with lock:
        path, spooled = folder / f"{site}.json", folder / f"{site}.spool"
        left = read_checkpoint(path) if resume else None
        if left is None:
            _remove_files(path, spooled)
        try:
            spool = Spool(spooled)
        except sqlite3.Error as error:
            raise CheckpointError(f"cannot use {spooled} ({error}); run again without --resume") from error
        try:
            yield RunState(spool, path), left
        finally:
            spool.close()


@contextmanager
def opened_state(
    settings: Settings, site: str, *, resume: bool, lasting: bool
) -> Iterator[tuple[RunState, Checkpoint | None]]:
    """Open what a run remembers, in the folder of checkpoints where there is one; see `lasting_state`.

    Args:
        settings: The settings.
        site: The site's name in them.
        resume: Whether an interrupted run is to go on, which needs the folder.
        lasting: Whether anything is to last beyond the run.
    """
    folder = required_folder(settings) if resume else state_folder(settings)
    # Whoever asks to resume has seen a checkpoint; one that another process came to the end of since is a new run.
    with lasting_state(folder, site, resume=resume) if lasting and folder else temporary_state() as opened:
        yield opened if isinstance(opened, tuple) else (opened, None)


def checkpoint_left(folder: Path, site: str) -> Checkpoint | None:
    """Return the checkpoint that an interrupted run of the site left; None when there is none.

    Raises:
        CheckpointError: It cannot be read.
    """
    return read_checkpoint(folder / f"{site}.json")


def forget_run(folder: Path, site: str) -> None:
    """Remove what a run left behind, once it is through."""
    _remove_files(folder / f"{site}.json", folder / f"{site}.spool")


def required_folder(settings: Settings) -> Path:
    """Return the folder of checkpoints.

    Raises:
        SettingsError: There is none.
    """
    folder = state_folder(settings)
    if folder is None:
        raise SettingsError("--resume needs a place for checkpoints: set reconcile.state_dir")
    return folder


def _remove_files(path: Path, spooled: Path) -> None:
    for name in (path, spooled, Path(f"{spooled}-wal"), Path(f"{spooled}-shm")):
        with suppress(FileNotFoundError):
            name.unlink()
