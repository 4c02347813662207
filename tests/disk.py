"""A small disk of one's own, to be filled."""

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_BLOCK = bytes(1024 * 1024)


@dataclass(frozen=True)
class SmallDisk:
    """A file system in memory, with a size of its own."""

    folder: Path

    @classmethod
    @contextmanager
    def mounted(cls, folder: Path, megabytes: int) -> "Iterator[SmallDisk]":
        """Mount it.

        Raises:
            PermissionError: This user may not mount anything here.
        """
        folder.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PermissionError(done.stderr.strip())
        try:
            yield cls(folder)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)

    def fill(self) -> None:
        """Leave no byte free, now."""
        with (self.folder / "ballast").open("ab", buffering=0) as ballast:
            block = _BLOCK
            while block:
                try:
                    if ballast.write(block) < len(block):
                        block = block[: len(block) // 2]
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    block = block[: len(block) // 2]

    def make_room(self) -> None:
        """Give back what `fill` took."""
        (self.folder / "ballast").unlink()
