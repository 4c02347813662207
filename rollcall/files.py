"""Files that survive a crash, and secrets in files."""

import os
from pathlib import Path


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file in one step: after a crash there is the old one or the new one, each whole.

    When this returns the new one is durable: its content is synced, and so is the folder, which holds its name.

    Args:
        path: The file; its folder exists.
        content: All that it is to hold.
        mode: Who may read and write it, before the umask.

    Raises:
        OSError: It is one or the other, and perhaps not durable.
    """
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
