"""Secrets from files, as container platforms mount them."""

from pathlib import Path


def read_secret_file(setting: str, path: Path) -> str:
    """Return the text of a secret file.

    Args:
        setting: Name of the setting, for the error.
        path: The file.

    Raises:
        ValueError: It cannot be read or is empty; the text names setting, file and remedy, never the content.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ValueError(f"{setting}: cannot read {path} ({reason}); check the path and who may read it") from None
    if not text.strip():
        raise ValueError(f"{setting}: {path} is empty; write the secret into it")
    return text
