"""The settings of a demo: in its folder for as long as that is there, and where other commands are told to look."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from console.demo.company import Company
from rollcall.errors import SettingsError

NAME = "rollcall.toml"


@contextmanager
def reserved(file: Path | None) -> Iterator[None]:
    """Make a file of our own, to be written by `write_settings`, and remove it at the end; None makes none.

    Raises:
        SettingsError: It is there already, or cannot be made.
    """
    if not file:
        yield
        return
    try:
        file.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        raise SettingsError(f"--config: {file} is there already; the demo writes a file of its own") from None
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise SettingsError(f"--config: cannot write {file} ({reason}); choose another place") from None
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def write_settings(files: list[Path], place: Path, company: Company, listen: str, sql_listen: str) -> None:
    """Write the settings of a demo that keeps its data in `place`; nobody else may read the files."""
    for file in files:
        file.touch(mode=0o600)
        file.write_text(
            f"""\
listen = "{listen}"
sql_listen = "{sql_listen}"
log_url = "sqlite://{place}/events.db"
warehouse_url = "chdb://{place}/warehouse"

[sites.acme]
url = "{company.address}"
email = "{company.email}"
api_token = "{company.token}"
webhook_secrets_file = "{company.secret_file}"
timezone = "Europe/Berlin"
""",
            encoding="utf-8",
        )
