"""One run a site at a time, as far as a lock file reaches. Two runs would do no harm, only work for Jira."""

import fcntl
import os
from pathlib import Path
from types import TracebackType

from rollcall.errors import RollcallError


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
