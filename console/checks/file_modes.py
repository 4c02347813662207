"""Files that every user of the machine can read: settings with secrets, secrets, event log and warehouse."""

import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr

from console.checks.finding import Finding
from rollcall.logs import logger
from rollcall.settings import Settings, settings_file
from rollcall.warehouse.engines import Embedded, parse_warehouse_url

log = logger(__name__)

_KNOWN_TO_ALL = frozenset({"ca_file", "client_cert_file"})
"""Files of settings that hold no secret, as all others do."""
_OF_A_CONTAINER = Path("/run/secrets")
"""Where container platforms mount secrets, readable by all; the container has no other users."""


def warn_of_open_files(settings: Settings, config: Path | None) -> None:
    """Log a warning for each; done at the start of what runs for long. Arguments are those of `open_files`."""
    for path in open_files(settings, config):
        log.warning("every user of this machine can read a file", path=str(path), remedy=f"chmod o-rwx {path}")


def mode_findings(settings: Settings, config: Path | None) -> Iterator[Finding]:
    """Say the same for `check`."""
    found = list(open_files(settings, config))
    for path in found:
        yield Finding("files", False, f"every user of this machine can read {path}", f"chmod o-rwx {path}")
    if not found:
        yield Finding("files", True, "settings, secrets, log and warehouse are not for every user of this machine")


def open_files(settings: Settings, config: Path | None) -> Iterator[Path]:
    """Yield the files and folders that others can read.

    Args:
        settings: All settings.
        config: The settings file that was named, None for the default one.
    """
    for path in dict.fromkeys(_private(settings, config)):
        if _open_to_others(path.absolute()):
            yield path


def _private(settings: Settings, config: Path | None) -> Iterator[Path]:
    file = settings_file(config)
    if file and _holds_secrets(file):
        yield file
    yield from (path for path in _secret_files(settings) if not path.is_relative_to(_OF_A_CONTAINER))
    if settings.log_url.startswith("sqlite:"):
        yield Path(unquote(urlsplit(settings.log_url).path))
    address = parse_warehouse_url(settings.warehouse_url)
    if isinstance(address, Embedded):
        yield from (address.path, address.token_path, address.lock_path)


def _secret_files(settings: BaseModel) -> Iterator[Path]:
    """Yield the files of secrets that settings name, those of their groups too."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        for group in value.values() if isinstance(value, Mapping) else (value,):
            if isinstance(group, BaseModel):
                yield from _secret_files(group)
            elif isinstance(group, Path) and name.endswith("_file") and name not in _KNOWN_TO_ALL:
                yield group


def _secrets_of(settings: type[BaseModel]) -> Iterator[str]:
    """Yield the names of settings that hold a secret themselves, those of their groups too."""
    for name, field in settings.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if kind is SecretStr:
                yield name
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _secrets_of(kind)


_SECRETS = frozenset(_secrets_of(Settings))


def _holds_secrets(file: Path) -> bool:
    def found(value: Any) -> bool:
        if isinstance(value, Mapping):
            return any((name in _SECRETS and bool(one)) or found(one) for name, one in value.items())
        return isinstance(value, str) and "://" in value and bool(urlsplit(value).password)

    try:
        return found(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return True


def _open_to_others(path: Path) -> bool:
    """Whether it lets others read, and no folder above keeps them out."""
    try:
        mode = path.stat().st_mode
        needed = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
        return mode & needed == needed and all(above.stat().st_mode & stat.S_IXOTH for above in path.parents)
    except OSError:
        return False
