"""The manifest of an export: which files there are, what they hold, and of which schema."""

import hashlib
from pathlib import Path

import msgspec

from console.transfer.tables import Span
from rollcall.errors import RollcallError, SettingsError
from rollcall.files import replace_file
from rollcall.warehouse.migrations import all_migrations


class TransferError(RollcallError):
    """The transfer cannot go on or is not complete; the text says which file or table, and what to do."""


MANIFEST = "manifest.json"
MANIFEST_FORMAT = 1


class ExportFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file.

    Attributes:
        file: Its name in the folder.
        span: The span of the table that it holds.
        rows: How many.
        digest: Over all their columns, see `console.transfer.tables.TransferTable.digest`.
        sha256: Of the file.
    """

    file: str
    span: Span
    rows: int
    digest: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an export holds; written last, so that a folder with one is whole.

    Attributes:
        made_by: Rollcall's version.
        made_at: ISO 8601, UTC.
        schema: Number and checksum of each migration that made the tables.
        user_days: How many user days the rollup had, to compare with what an import computes.
        tables: The files of each table, in the order of its key.
        format: Of the manifest itself.
    """

    made_by: str
    made_at: str
    schema: dict[str, str]
    user_days: int
    tables: dict[str, list[ExportFile]]
    format: int = MANIFEST_FORMAT

    def rows(self, table: str) -> int:
        """Return how many rows of a table there are."""
        return sum(part.rows for part in self.tables[table])


def this_schema() -> dict[str, str]:
    """Return the migrations of this version of Rollcall, number and checksum."""
    return {f"{migration.version:04}": migration.checksum for migration in all_migrations()}


def write_file(path: Path, data: bytes) -> str:
    """Write a file durably, readable by its owner only, and return its SHA-256."""
    replace_file(path, data)
    return hashlib.sha256(data).hexdigest()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file of any size. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest: from now on the export counts as whole."""
    write_file(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an export.

    Raises:
        SettingsError: There is none, or it is none that this version reads; the text says what to do.
    """
    try:
        data = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise SettingsError(
            f"{folder}: no whole export is here ({MANIFEST}: {error.strerror}); an export that was cut short has to be "
            "made again"
        ) from None
    try:
        found = msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:
        raise SettingsError(f"{folder / MANIFEST}: is no manifest of an export ({error})") from None
    if found.format != MANIFEST_FORMAT:
        raise SettingsError(f"{folder / MANIFEST}: has format {found.format}, this Rollcall reads {MANIFEST_FORMAT}")
    for part in (part for parts in found.tables.values() for part in parts):
        if Path(part.file).name != part.file:
            raise SettingsError(f"{folder / MANIFEST}: names {part.file}, which is no file of the folder")
    return found
