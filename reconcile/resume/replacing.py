"""Writes a small file in one step: after a crash there is the old one or the new one."""

import os
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Replace the file; when this returns it is durable. Raises OSError."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
