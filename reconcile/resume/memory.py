"""Where a run remembers: a folder with lock, checkpoint and spool of each site, or nothing that lasts."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reconcile.resume.checkpoint import Checkpoint, CheckpointError, read_checkpoint, write_checkpoint
from reconcile.resume.lock import RunLock
from reconcile.resume.spool import Spool
from rollcall.errors import SettingsError
from rollcall.settings import Settings


def state_folder(settings: Settings) -> Path | None:
    """Return the folder of checkpoints: the setting, else ``reconcile`` beside a SQLite log; None without either."""
    if settings.reconcile.state_dir:
        return settings.reconcile.state_dir
    scheme, _, rest = settings.log_url.partition(":")
    if scheme != "sqlite":
        return None
    path = Path("/" + rest.lstrip("/")) if rest.startswith("//") else Path(rest)
    return path.absolute().parent / "reconcile"


class Memory:
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
            write_checkpoint(self._path, checkpoint)


@contextmanager
def passing_memory() -> Iterator[Memory]:
    """Remember nothing beyond the block."""
    with tempfile.TemporaryDirectory(prefix="rollcall-") as folder:
        spool = Spool(Path(folder) / "spool.db")
        try:
            yield Memory(spool, None)
        finally:
            spool.close()


@contextmanager
def lasting_memory(folder: Path, site: str, *, resume: bool) -> Iterator[tuple[Memory, Checkpoint | None]]:
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
            _forget(path, spooled)
        try:
            spool = Spool(spooled)
        except sqlite3.Error as error:
            raise CheckpointError(f"cannot use {spooled} ({error}); run again without --resume") from error
        try:
            yield Memory(spool, path), left
        finally:
            spool.close()


def forget_run(folder: Path, site: str) -> None:
    """Remove what a run left behind, once it is through."""
    _forget(folder / f"{site}.json", folder / f"{site}.spool")


def required_folder(settings: Settings) -> Path:
    """Return the folder of checkpoints.

    Raises:
        SettingsError: There is none.
    """
    folder = state_folder(settings)
    if folder is None:
        raise SettingsError("--resume needs a place for checkpoints: set reconcile.state_dir")
    return folder


def _forget(path: Path, spooled: Path) -> None:
    for name in (path, spooled, Path(f"{spooled}-wal"), Path(f"{spooled}-shm")):
        with suppress(FileNotFoundError):
            name.unlink()
