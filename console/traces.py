"""Traces of an account: where its id still stands, in the bytes of files and in the log's records.

Files hold it as it is, percent-encoded as in Jira's addresses, or in base64 as in dead letters. The engine compresses
its files, so it is asked besides (`rollcall.warehouse.erasure`).
"""

import base64
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec

from reconcile.state.run_state import state_folder
from rollcall.eventlog.log_url import sqlite_file
from rollcall.records import decode_dead_letter
from rollcall.runtime import Runtime
from rollcall.settings import Settings, settings_file
from rollcall.warehouse.engines import Embedded, parse_warehouse_url

_PIECE = 4 * 1024 * 1024
_OVERLAP = 1024
"""More than the longest form of an id takes."""


class Trace:
    """The forms of an account's id that bytes may hold; longer words that begin or end with it do not count.

    Args:
        account_id: The id.
    """

    def __init__(self, account_id: str) -> None:
        plain = quote(account_id, safe="")
        forms = {account_id, plain, re.sub("%..", lambda found: found[0].lower(), plain)}
        words = b"|".join(re.escape(form.encode()) for form in sorted(forms))
        self._text = re.compile(b"(?<![0-9A-Za-z_-])(?:" + words + b")(?![0-9A-Za-z_-])")
        coded = b"|".join(re.escape(form) for form in _in_base64(account_id.encode()))
        self._bytes = re.compile(b"|".join((self._text.pattern, coded)))

    def in_record(self, value: bytes) -> bool:
        """Return whether a record of the log names the account, also in the payload of a dead letter."""
        if self._text.search(value):
            return True
        try:
            return bool(self._text.search(decode_dead_letter(value).payload))
        except msgspec.DecodeError:
            return False

    def in_file(self, path: Path) -> bool:
        """Return whether the bytes of a file hold it; not those of one that has gone. Raises OSError."""
        try:
            with path.open("rb") as file:
                before = b""
                while piece := file.read(_PIECE):
                    if self._bytes.search(before + piece):
                        return True
                    before = (before + piece)[-_OVERLAP:]
        except FileNotFoundError:
            pass
        return False


def _in_base64(text: bytes) -> Iterator[bytes]:
    """Yield what stands in base64 wherever the text is in what was encoded, of what comes before and after nothing."""
    for before in range(3):
        coded = base64.b64encode(bytes(before) + text + bytes(2))
        sure = (before + len(text)) * 8 // 6
        yield coded[-(-before * 8 // 6) : sure]


def own_files(settings: Settings, config: Path | None) -> list[Path]:
    """Return the files of an installation on this machine: settings, log, warehouse, what reconcile remembers."""
    places = [settings_file(config), state_folder(settings)]
    if log := sqlite_file(settings.log_url):
        places += log.parent.glob(f"{log.name}*")
    address = parse_warehouse_url(settings.warehouse_url)
    if isinstance(address, Embedded):
        places += [address.path, address.lock_path, address.token_path]
    return sorted(set(files_in(place for place in places if place)))


def files_in(places: Iterable[Path]) -> Iterator[Path]:
    """Yield files, and those in folders, as deep as they are; links are not followed."""
    for place in places:
        if place.is_dir() and not place.is_symlink():
            yield from (path for path in place.rglob("*") if path.is_file() and not path.is_symlink())
        elif place.is_file():
            yield place


async def named_on_log(runtime: Runtime, trace: Trace) -> dict[str, int]:
    """Return how many records of each topic name the account. Raises LogUnavailableError."""
    return {
        topic.name: found
        for topic in runtime.topics.all()
        if (found := await _count(runtime.log.scan(topic.name), trace.in_record))
    }


async def _count(entries: AsyncIterator[object], holds: Callable[[bytes], bool]) -> int:
    found = 0
    async for entry in entries:
        found += holds(getattr(entry, "value", b"") or b"")
    return found
