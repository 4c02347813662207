"""The lock on the embedded warehouse: chDB serves one process at a time.

A lock file beside the folder is held with flock(2), which the kernel releases however the process ends. It says who
holds the files and where that process answers queries, so that other commands can query it.
"""

import fcntl
import os
import time
from pathlib import Path

import msgspec

from rollcall.errors import WarehouseHeldError
from rollcall.warehouse.engines import Embedded

_BRIEF = frozenset({"rollcall check", "rollcall report"})
"""Commands that hold the files for no longer than some queries take, so that others wait for them."""

_BRIEF_SECONDS = 10.0
_LOOK_SECONDS = 0.05
_CLOSED = -1


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """What the holder says of itself.

    Attributes:
        pid: Its process id.
        command: What it runs, such as ``rollcall up``.
        sql_url: Where its SQL door listens, empty while it has none.
        control_token: Lets who may read this file (the same user) order work of the holder, such as a rebuild.
    """

    pid: int
    command: str
    sql_url: str = ""
    control_token: str = ""

    @property
    def brief(self) -> bool:
        """Whether the holder is one of those that give up the files in a moment."""
        return self.command in _BRIEF


class Holder:
    """The exclusive hold on an embedded warehouse; release it by `close`."""

    def __init__(self, address: Embedded, command: str) -> None:
        """Take the hold, waiting some seconds for a command that only looks at something.

        Raises:
            WarehouseHeldError: Another process has it; the text names it.
        """
        self.address = address
        lock_path = address.lock_path
        lock_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = lock_path
        self._fd = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not self._locked():
            os.close(self._fd)
            other = read_holding(lock_path)
            who = f"process {other.pid} ({other.command})" if other else "another process"
            raise WarehouseHeldError(
                f"{who} holds the embedded warehouse {address.path}, which serves one process at a "
                "time; stop it, or give this one another warehouse_url"
            )
        self.holding = Holding(pid=os.getpid(), command=command)
        self._write(self.holding)

    def announce(self, sql_url: str, control_token: str) -> None:
        """Say where other commands can query while this process holds the files."""
        self.holding = Holding(
            pid=self.holding.pid, command=self.holding.command, sql_url=sql_url, control_token=control_token
        )
        self._write(self.holding)

    def _locked(self) -> bool:
        deadline = time.monotonic() + _BRIEF_SECONDS
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Nobody: it has just gone, has not said who it is yet, or is a `read_holding` for an instant.
                other = read_holding(self._path)
                if (other and not other.brief) or time.monotonic() >= deadline:
                    return False
                time.sleep(_LOOK_SECONDS)
            else:
                return True

    def _write(self, holding: Holding) -> None:
        data = msgspec.json.encode(holding)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, data, 0)

    def close(self) -> None:
        """Give the hold up. Calling it again changes nothing."""
        # Forgotten before it is closed: a number that is closed twice may be another thread's file by then.
        descriptor, self._fd = self._fd, _CLOSED
        if descriptor != _CLOSED:
            try:
                os.ftruncate(descriptor, 0)
            finally:
                os.close(descriptor)


def read_holding(lock_path: Path) -> Holding | None:
    """Return what the present holder says of itself; None when nobody holds the files or it says nothing yet."""
    try:
        with lock_path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return msgspec.json.decode(file.read(), type=Holding)
            return None
    except (OSError, msgspec.DecodeError):
        return None
