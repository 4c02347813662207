"""The folder of a backup: made under another name, sealed by a manifest with the checksum of every file, then named.

So a folder with the name that was asked for is whole, whatever ended the backup.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from rollcall.errors import RollcallError, SettingsError
from rollcall.files import make_private_folder, replace_file, sync_folder
from rollcall.warehouse.embedded_backup import WrittenPosition
from rollcall.warehouse.migrations import all_migrations


class BackupError(RollcallError):
    """A backup cannot be made, or is not to be restored from; the text says why and what to do."""


MANIFEST = "backup.json"
BACKUP_FORMAT = 1

LOG, WAREHOUSE, STATE = "events.db", "warehouse", "reconcile"
"""Where the parts of a backup are in its folder."""

_BLOCK = 1024 * 1024


class BackupFile(msgspec.Struct, frozen=True):
    """A file: its size in bytes, and its SHA-256."""

    size: int
    sha256: str


class TopicCopy(msgspec.Struct, frozen=True):
    """A topic in the copy of the log: how many records, and the offset of the oldest."""

    records: int
    first: int


class BackupManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds.

    Attributes:
        made_by: Rollcall's version.
        began_at: When it began, ISO 8601, UTC: whatever was acknowledged before is in it.
        parts: Which of log, warehouse and reconcile's state there are, by their names in the folder.
        schema: Number and checksum of each migration of the warehouse.
        warehouse_id: The warehouse's id, which stands beside the consumers' positions on the log.
        positions: How far each topic is in the warehouse, at least.
        topics: The topics of the log by name.
        files: Every other file of the folder by its path.
        format: Of the manifest itself.
        sha256: Of the manifest without it.
    """

    made_by: str
    began_at: str
    parts: Sequence[str]
    schema: Mapping[str, str]
    warehouse_id: str
    positions: Sequence[WrittenPosition]
    topics: Mapping[str, TopicCopy]
    files: Mapping[str, BackupFile]
    format: int = BACKUP_FORMAT
    sha256: str = ""

    @property
    def bytes(self) -> int:
        """How many bytes its files have."""
        return sum(file.size for file in self.files.values())

    def checksum(self) -> str:
        """Return what `sha256` is to be."""
        return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(self, sha256=""))).hexdigest()


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to fill, which gets the name asked for at the end of the block, or is removed if that fails.

    What a backup that was killed left of one is removed first.

    Raises:
        SettingsError: The folder is there and not empty, or cannot be made.
        BackupError: Another backup into it is under way, or the disk refuses.
    """
    partial = folder.with_name(folder.name + ".partial")
    try:
        if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
            raise SettingsError(f"{folder}: is there and not empty; name a new folder, which is then made")
        make_private_folder(folder.parent)
        with suppress(FileExistsError):
            partial.mkdir(mode=0o700)
        hold = os.open(partial, os.O_RDONLY)
    except OSError as error:
        raise SettingsError(f"{folder}: cannot be used ({error.strerror}); name another folder") from None
    try:
        try:
            fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(f"{folder}: another backup into this folder is under way") from None
        try:
            _clear(partial)
            yield partial
            sync_folder(partial)
            partial.rename(folder)  # over an empty folder too
            sync_folder(folder.parent)
        except BaseException as error:
            shutil.rmtree(partial, ignore_errors=True)
            if isinstance(error, OSError):
                raise BackupError(f"{folder}: cannot be written ({error.strerror}); nothing of it was kept") from error
            raise
    finally:
        os.close(hold)


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def seal(folder: Path, manifest: BackupManifest, progress: Callable[[int], None]) -> BackupManifest:
    """Make all files of a folder private and durable, and write the manifest that names them.

    Args:
        folder: The folder, filled.
        manifest: What it holds; its files are taken from the folder.
        progress: Called with bytes as they are read.

    Raises:
        OSError: The disk refuses.
    """
    files = {}
    for path in sorted(folder.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
        if path.is_dir():
            continue
        files[str(path.relative_to(folder))] = BackupFile(path.stat().st_size, sha256_of(path, progress, durable=True))
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
    sealed = msgspec.structs.replace(manifest, files=files)
    sealed = msgspec.structs.replace(sealed, sha256=sealed.checksum())
    replace_file(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(sealed), indent=1) + b"\n")
    return sealed


def sha256_of(path: Path, progress: Callable[[int], None], *, durable: bool = False) -> str:
    """Return the SHA-256 of a file of any size, and see first that it is on the disk if that is wished."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if durable:
            os.fsync(file.fileno())
        while block := file.read(_BLOCK):
            digest.update(block)
            progress(len(block))
    return digest.hexdigest()


def read_manifest(folder: Path) -> BackupManifest:
    """Read the manifest of a backup that this version of Rollcall can restore.

    Raises:
        BackupError: There is none, or it is damaged, or a newer version's.
    """
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BackupError(f"{folder}: no whole backup is here ({MANIFEST}: {error.strerror}); name another") from None
    try:
        form = msgspec.json.decode(data, type=dict[str, msgspec.Raw]).get("format")
        if form is not None and bytes(form) != str(BACKUP_FORMAT).encode():
            raise BackupError(
                f"{path}: has format {bytes(form).decode(errors='replace')[:20]}, this Rollcall reads {BACKUP_FORMAT}; "
                "restore with the version that made it"
            )
        found = msgspec.json.decode(data, type=BackupManifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackupError(f"{path}: is no manifest of a backup, or damaged ({error}); restore another backup") from None
    if found.sha256 != found.checksum():
        raise BackupError(f"{path}: is damaged or was changed; restore another backup")
    ours = {f"{migration.version:04}": migration.checksum for migration in all_migrations()}
    if foreign := sorted(number for number, checksum in found.schema.items() if ours.get(number) != checksum):
        raise BackupError(
            f"{folder}: was made by Rollcall {found.made_by}, whose warehouse has migration {foreign[-1]}, which this "
            "version does not know; restore with that version"
        )
    return found


def verify(folder: Path, manifest: BackupManifest, progress: Callable[[int], None]) -> None:
    """Read every file of a backup, and raise BackupError unless all are there as they were made, and no others."""
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}
    if missing := sorted(manifest.files.keys() - there):
        raise BackupError(f"{folder / missing[0]}: is missing; restore another backup, or copy this one again")
    if foreign := sorted(there - manifest.files.keys() - {MANIFEST}):
        raise BackupError(f"{folder / foreign[0]}: is no file of the backup; take it away if the rest is to be trusted")
    for name, file in manifest.files.items():
        path = folder / name
        try:
            sound = (
                not path.is_symlink() and path.stat().st_size == file.size and sha256_of(path, progress) == file.sha256
            )
        except OSError as error:
            raise BackupError(f"{path}: cannot be read ({error.strerror})") from None
        if not sound:
            raise BackupError(f"{path}: is damaged; restore another backup, or copy this one again")
