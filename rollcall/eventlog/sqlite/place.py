"""Where the database lives: its folder and its file, made so that only their owner can read them."""

import os
from contextlib import suppress
from pathlib import Path

from rollcall.errors import SettingsError


def make_place(database: Path) -> None:
    """Create the database's folders (mode 0700) and its empty file (0600) unless they exist.

    The log may hold payloads that could not be understood, so nobody else may read it. Existing folders and
    files keep their modes.

    Args:
        database: Absolute path of the database file.

    Raises:
        SettingsError: A folder or the file cannot be made or written.
    """
    try:
        _make_folder(database.parent)
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


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    # Not mkdir(parents=True): that gives the mode to the last folder only.
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    _sync_folder(folder.parent)


def _make_file(database: Path) -> None:
    # Never open a database that exists: closing the descriptor would drop the locks that SQLite holds on it in
    # this process (POSIX advisory locks belong to the process, not to the descriptor).
    with suppress(FileExistsError):
        os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        _sync_folder(database.parent)


def _sync_folder(folder: Path) -> None:
    # A new name survives a power cut only once its folder is on the disk.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
