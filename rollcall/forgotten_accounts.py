"""Forgotten accounts: whom Rollcall is to keep out, as salted hashes that tell nobody who they are.

A salt is made once, at random. Beside a SQLite log they stand in a file, where ingest and reconcile find them; in the
warehouse they stand for every consumer, on whatever machine (`rollcall.warehouse.erasure`).
"""

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from rollcall.eventlog.log_url import sqlite_file
from rollcall.files import sync_folder
from rollcall.records import Activity, Directory, SnapshotComplete, User
from rollcall.settings import Settings

_Row = TypeVar("_Row", bound=Directory)

_SALT_BYTES = 32
_LINE = re.compile(rb"[0-9a-f]{64} [0-9a-f]{64}")
_DIGIT = re.compile(rb"[0-9]")
_WORD = re.compile(rb"[0-9A-Za-z][0-9A-Za-z:_.%-]*")
"""What may hold an account id in a payload; a colon ends what comes before one too, as in ``accountid:557058:…``."""


def hash_of(salt: str, account_id: str) -> str:
    """Return what stands for an account: SHA-256 over salt and id, in hex, as the engine computes it too."""
    return hashlib.sha256(bytes.fromhex(salt) + account_id.encode()).hexdigest()


class ForgottenAccounts:
    """Salted hashes of accounts.

    Args:
        entries: Pairs of salt and hash, both in hex.
        closed: Those of them that nobody asked for: they are kept out until the directory has them active again.
    """

    def __init__(self, entries: Iterable[tuple[str, str]] = (), closed: Iterable[tuple[str, str]] = ()) -> None:
        self.entries = frozenset(entries)
        self.closed = frozenset(closed)
        self._hashes: dict[str, set[str]] = {}
        for salt, digest in self.entries:
            self._hashes.setdefault(salt, set()).add(digest)

    def __contains__(self, account_id: str) -> bool:
        return any(hash_of(salt, account_id) in hashes for salt, hashes in self._hashes.items())

    def __bool__(self) -> bool:
        return bool(self.entries)

    def __or__(self, other: "ForgottenAccounts") -> "ForgottenAccounts":
        asked = (self.entries - self.closed) | (other.entries - other.closed)
        return ForgottenAccounts(self.entries | other.entries, (self.closed | other.closed) - asked)

    @property
    def asked(self) -> "ForgottenAccounts":
        """Those that somebody asked to forget."""
        return ForgottenAccounts(self.entries - self.closed) if self.closed else self

    def back(self, rows: Iterable[Directory]) -> frozenset[tuple[str, str]]:
        """Return the entries of closed accounts that rows of a directory have active."""
        if not self.closed:
            return frozenset()
        active = [row.account_id for row in rows if isinstance(row, User) and row.active]
        salts = {salt for salt, _ in self.closed}
        return self.closed & {(salt, hash_of(salt, account)) for salt in salts for account in active}

    def entry_for(self, account_id: str) -> tuple[str, str]:
        """Return the pair for an account, with the salt that is there, or else a new one."""
        salt = min(self._hashes, default="") or secrets.token_hex(_SALT_BYTES)
        return salt, hash_of(salt, account_id)

    def has_act(self, fact: Activity) -> bool:
        """Return whether a fact is somebody's who is forgotten."""
        return bool(self.entries) and bool(fact.account_id) and fact.account_id in self

    def without(self, row: _Row) -> _Row | None:
        """Return a row of the directory as it may be kept; None where it is somebody's who is forgotten."""
        if not self.entries:
            return row
        if isinstance(row, SnapshotComplete):
            return msgspec.structs.replace(row, reads_as="") if row.reads_as in self else row
        account = getattr(row, "account_id", "")
        return None if account and account in self else row

    def names_any(self, payload: bytes) -> bool:
        """Return whether a payload that nobody could read names somebody who is forgotten."""
        return bool(self.entries) and any(word in self for word in set(_words(payload)))


def _words(payload: bytes) -> Iterator[str]:
    for found in set(_WORD.findall(payload)):
        if not _DIGIT.search(found):  # prose, and most of a payload's own names
            continue
        for form in {found, unquote_to_bytes(found)}:
            text = form.decode(errors="replace").rstrip(".-")
            while text:
                yield text
                text = text.partition(":")[2]


class ForgottenFile:
    """The file of forgotten accounts beside a SQLite log, a line each; it is only ever added to.

    Args:
        path: The file, which need not be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = None
        self._accounts = ForgottenAccounts()

    def accounts(self) -> ForgottenAccounts:
        """Return whom it holds now; read again only when it has changed. Raises OSError where it cannot be read."""
        try:
            found = os.stat(self.path)  # noqa: PTH116 - every webhook asks, and a Path's stat costs twice as much
        except FileNotFoundError:
            self._seen, self._accounts = None, ForgottenAccounts()
            return self._accounts
        if (seen := (found.st_ino, found.st_size)) != self._seen:
            lines = _LINE.findall(self.path.read_bytes())
            pairs = [line.decode().split() for line in lines]
            self._seen, self._accounts = seen, ForgottenAccounts((salt, digest) for salt, digest in pairs)
        return self._accounts

    def add(self, entries: Iterable[tuple[str, str]]) -> None:
        """Add what it lacks, durably; others may add at the same time. Raises OSError."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            lacking = sorted(set(entries) - self.accounts().entries)
            # A line that a crash cut short is ended first.
            file.write(b"".join(b"\n%s %s\n" % (salt.encode(), digest.encode()) for salt, digest in lacking))
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self.path.parent)


def forgotten_file(settings: Settings) -> ForgottenFile | None:
    """Return the file beside a SQLite log; None with Kafka. Raises SettingsError."""
    log = sqlite_file(settings.log_url)
    return ForgottenFile(log.with_name(log.name + "-forgotten")) if log else None


def read_forgotten(file: ForgottenFile | None) -> ForgottenAccounts:
    """Return whom a file holds; nobody without one, or where it cannot be read (the engine is kept from a new one)."""
    if file:
        with suppress(OSError):
            return file.accounts()
    return ForgottenAccounts()


class _Queried(Protocol):
    """The warehouse, as far as it is asked here."""

    async def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]: ...


async def forgotten_in(warehouse: _Queried) -> ForgottenAccounts:
    """Return whom the warehouse is to keep out. Raises WarehouseUnavailableError."""
    rows = await warehouse.query("SELECT salt, hash, cause FROM forgotten_accounts FINAL WHERE cause != 'back'")
    return ForgottenAccounts(
        ((row["salt"], row["hash"]) for row in rows),
        ((row["salt"], row["hash"]) for row in rows if row["cause"] == "closed"),
    )


class KeptOut:
    """Whom to keep out, by the warehouse and by the file beside the log, looked up before each batch.

    Args:
        warehouse: Asked each time; None where the file alone is asked.
        file: The file beside a SQLite log.
    """

    def __init__(self, warehouse: _Queried | None, file: ForgottenFile | None) -> None:
        self._warehouse = warehouse
        self._file = file

    async def now(self) -> ForgottenAccounts:
        """Return whom to keep out. Raises WarehouseUnavailableError."""
        known = await forgotten_in(self._warehouse) if self._warehouse else ForgottenAccounts()
        return read_forgotten(self._file) | known
