"""Files: durable once written, private to their owner, and secrets as container platforms mount them."""

import os
from contextlib import suppress
from pathlib import Path

from pydantic import SecretStr


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
    sync_folder(path.parent)


def read_secret_file(setting: str, path: Path) -> str:
    """Return the text of a secret file, without the byte order marks that Windows editors put before it.

    Where a file was appended to another, such a mark is in the middle.

    Args:
        setting: Name of the setting, for the error.
        path: The file.

    Raises:
        ValueError: It cannot be read or is empty; the text names setting, file and remedy, never the content.
    """
    try:
        text = path.read_text(encoding="utf-8").replace("\ufeff", "")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ValueError(f"{setting}: cannot read {path} ({reason}); check the path and who may read it") from None
    if not text.strip():
        raise ValueError(f"{setting}: {path} is empty; write the secret into it")
    return text


def secret_text(setting: str, file: Path | None, given: SecretStr | None = None) -> str:
    """Return a secret from its file, or else as the settings have it, without blanks around it; empty without either.

    Args:
        setting: Name of the setting that names the file, for the error.
        file: The file, if one is named.
        given: The secret itself.

    Raises:
        ValueError: The file cannot be read or is empty.
    """
    if file:
        return read_secret_file(setting, file).strip()
    return given.get_secret_value().strip() if given else ""


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    # A new name survives a power cut only once its folder is on the disk.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_private_folder(folder: Path) -> None:
    """Make a folder for its owner alone, with those above it; one that is there stays as it is. Raises OSError."""
    if folder.is_dir():
        return
    make_private_folder(folder.parent)
    # Not mkdir(parents=True): that gives the mode to the last folder only.
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    sync_folder(folder.parent)
