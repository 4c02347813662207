"""Restore a backup: look at all of it first, build what it holds beside the files that are there, then change names.

Until the names change nothing of the installation is touched, and what was there is moved aside, never removed.
"""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import quote

import msgspec

from console.backup.copier import KEPT_STATE, EmbeddedFiles, embedded_files
from console.backup.folder import LOG, STATE, WAREHOUSE, BackupError, BackupManifest, read_manifest, verify
from console.bars import Steps
from rollcall.errors import SettingsError
from rollcall.eventlog import open_log
from rollcall.eventlog.sqlite import SqliteLog
from rollcall.eventlog.sqlite.database import extents
from rollcall.files import make_private_folder, sync_folder
from rollcall.forgotten_accounts import forgotten_file, read_forgotten
from rollcall.records import decode_dead_letter
from rollcall.runtime import WAREHOUSE_GROUP, topics_of
from rollcall.settings import Settings
from rollcall.warehouse import open_warehouse
from rollcall.warehouse.embedded_backup import restore
from rollcall.warehouse.engines import FrontHold, Holder, require_embedded_engine

_RUN_STATE = (*KEPT_STATE, ".json", ".spool", ".spool-wal", ".spool-shm")
"""What reconcile remembers, an unfinished run's too: that would go on from a mark of another time."""

_COMPANIONS = ("", "-wal", "-shm")
_TEMPORARY = "tmp"
_BUSY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored.

    Attributes:
        manifest: Of the backup.
        parts: Those of it that were restored.
        aside: Where what was there before is now.
        again: How many records the consumers read from the log at their next start; None where there is no telling.
        whole_log: Whether that is the log from its beginning.
        erased: How many of the log's records were somebody's who was forgotten since, and are empty now.
    """

    manifest: BackupManifest
    parts: list[str]
    aside: list[Path]
    again: int | None
    whole_log: bool
    erased: int


Move = tuple[Path, Path]
"""A name that is there, and what it becomes."""


async def restore_from(
    folder: Path, settings: Settings, steps: Steps, *, replace: bool, warehouse_only: bool
) -> Restored:
    """Restore a backup to where the settings have the embedded files.

    Args:
        folder: The backup, as an absolute path; it is only read.
        settings: The settings.
        steps: Shows how far it is.
        replace: Whether what is there may be moved aside.
        warehouse_only: Whether log and reconcile's marks stay as they are.

    Raises:
        BackupError: The backup is damaged, or is another installation's or version's; nothing was touched.
        SettingsError: There is something already, or there is nothing embedded.
        WarehouseHeldError: A process uses the files.
        WarehouseUnavailableError: The engine could not restore; nothing was touched.
    """
    files = embedded_files(settings)
    manifest = await steps.in_thread(partial(read_manifest, folder))
    parts = _fitting(manifest, files, settings, warehouse_only=warehouse_only)
    with steps.step("checksums", manifest.bytes) as advance:
        await steps.in_thread(partial(verify, folder, manifest, advance))
    async with _held(files):
        _require_unused(files.log if LOG in parts else None)
        if (there := _there(files, parts)) and not replace:
            raise SettingsError(
                f"{', '.join(map(str, there))}: would be overwritten; with --replace it is moved aside, to a name "
                "beside it that ends in .before-restore and the time"
            )
        with _staged(files, parts) as stages:
            await _stage(folder, manifest, stages, steps)
            erased = await _erase_forgotten(stages[LOG], settings) if LOG in stages else 0
            stamp = f".before-restore-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
            aside = _swap(files, stages, stamp)
        again, whole_log = _read_again(files, manifest, settings)
    return Restored(manifest, parts, aside, again, whole_log, erased)


def _fitting(manifest: BackupManifest, files: EmbeddedFiles, settings: Settings, *, warehouse_only: bool) -> list[str]:
    """Return the parts to restore. Raises BackupError where they do not fit to the settings."""
    places = {LOG: ("log_url", files.log), WAREHOUSE: ("warehouse_url", files.warehouse), STATE: ("", files.state)}
    parts = [part for part in manifest.parts if part in places and (part == WAREHOUSE or not warehouse_only)]
    for part in parts:
        setting, place = places[part]
        if setting and place is None:
            raise BackupError(f"{setting}: names a server, and the backup has embedded files for it; name a file here")
    if not parts:
        raise BackupError("the backup has nothing of what is to be restored")
    ours = topics_of(settings).activity.name
    if LOG in parts and ours not in manifest.topics:
        raise BackupError(
            f"topic_prefix: the log of the backup has no topic {ours}, but {', '.join(sorted(manifest.topics))}; set "
            "topic_prefix as it was where the backup was made"
        )
    if WAREHOUSE in parts:
        require_embedded_engine()
    return parts


@asynccontextmanager
async def _held(files: EmbeddedFiles) -> AsyncIterator[None]:
    """Hold the warehouse, so that neither an `up` nor a command takes it meanwhile."""
    if files.warehouse is None:
        yield
        return
    front = await asyncio.to_thread(FrontHold, files.warehouse, "rollcall restore")
    try:
        holder = await asyncio.to_thread(Holder, files.warehouse, "rollcall restore")
        try:
            yield
        finally:
            holder.close()
    finally:
        front.close()


def _require_unused(log: Path | None) -> None:
    """Raise BackupError while another process has the log open, and empty its write-ahead file."""
    if log is None or not log.exists():
        return
    try:
        with closing(sqlite3.connect(f"{log.as_uri()}?mode=rw", uri=True, timeout=0, isolation_level=None)) as db:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("BEGIN EXCLUSIVE")
            db.execute("ROLLBACK")
    except sqlite3.Error as error:
        # Any other error is of a damaged log, which may be why there is to be another.
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise BackupError(f"the event log {log} is in use; stop `rollcall up` and every other process") from None


def _there(files: EmbeddedFiles, parts: list[str]) -> list[Path]:
    """Return what is there of the parts to be restored."""
    found = []
    if LOG in parts and files.log and files.log.exists() and files.log.stat().st_size:
        found.append(files.log)
    if WAREHOUSE in parts and files.warehouse and _has_any(files.warehouse.path):
        found.append(files.warehouse.path)
    if STATE in parts and files.state and _state_files(files.state):
        found.append(files.state)
    return found


def _has_any(warehouse: Path) -> bool:
    return warehouse.is_file() or (warehouse.is_dir() and any(one.name != _TEMPORARY for one in warehouse.iterdir()))


def _state_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in _RUN_STATE) if folder.is_dir() else []


@contextmanager
def _staged(files: EmbeddedFiles, parts: list[str]) -> Iterator[dict[str, Path]]:
    """Give each part a name beside its place to be built under; what is still there at the end is removed."""
    places = {LOG: files.log, WAREHOUSE: files.warehouse and files.warehouse.path, STATE: files.state}
    stages = {part: place.with_name(f"{place.name}.restoring") for part in parts if (place := places[part])}
    _remove(stages.values())
    try:
        yield stages
    except OSError as error:
        raise BackupError(f"the backup could not be restored ({error}); what was there is as it was") from error
    finally:
        _remove(stages.values())


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        path.with_name(f"{path.name}.lock").unlink(missing_ok=True)  # of an engine that ran there


async def _stage(folder: Path, manifest: BackupManifest, stages: dict[str, Path], steps: Steps) -> None:
    for part, stage in stages.items():
        await steps.in_thread(partial(make_private_folder, stage.parent))
        if part != WAREHOUSE:
            with steps.step("the event log" if part == LOG else "reconcile's marks"):
                await steps.in_thread(partial(_copy, folder / part, stage))
            continue
        with steps.step("the warehouse, by its engine"):
            warehouse = await open_warehouse(f"chdb://{quote(str(stage))}", "rollcall restore")
            try:
                await steps.in_thread(partial(stage.mkdir, mode=0o700))
                identity = await restore(warehouse, folder / WAREHOUSE)
            finally:
                await warehouse.close()
            if identity != manifest.warehouse_id:
                raise BackupError(f"{folder}: its warehouse is {identity}, and the manifest says otherwise")
            await steps.in_thread(partial(_sync, stage))


async def _erase_forgotten(stage: Path, settings: Settings) -> int:
    """Take whoever was forgotten since off the log that is to be put in place; the warehouse does so at its start.

    The list of them beside the log that is there stays as it is.
    """
    forgotten = read_forgotten(forgotten_file(settings))
    if not forgotten:
        return 0

    def is_theirs(record: bytes) -> bool:
        with suppress(msgspec.DecodeError):
            return forgotten.names_any(record) or forgotten.names_any(decode_dead_letter(record).payload)
        return False

    topics = topics_of(settings).all()
    log = await open_log(f"sqlite://{quote(str(stage))}", topics)
    try:
        assert isinstance(log, SqliteLog)  # noqa: S101 - by its URL
        erased = sum([await log.erase(topic.name, is_theirs) for topic in topics])
        await log.scour(whole=True)
    finally:
        await log.close()
        _remove(stage.parent.glob(f"{stage.name}-*"))
    return erased


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir(mode=0o700)
        for path in source.iterdir():
            _copy(path, target / path.name)
        sync_folder(target)
        return
    opened = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with source.open("rb") as given, os.fdopen(opened, "wb") as to:
        shutil.copyfileobj(given, to, 1024 * 1024)
        to.flush()
        os.fsync(to.fileno())


def _sync(folder: Path) -> None:
    """Make a folder with all that is in it durable."""
    for path in folder.rglob("*"):
        if not path.is_symlink():
            sync_folder(path)
    sync_folder(folder)


def _swap(files: EmbeddedFiles, stages: dict[str, Path], stamp: str) -> list[Path]:
    """Move aside what is there and put in place what was built; return where the former is now.

    Raises OSError once everything has its old name again.
    """
    moves: list[Move] = []
    aside = []
    if (stage := stages.get(WAREHOUSE)) and files.warehouse:
        place = files.warehouse.path
        if place.exists():
            aside.append(place.with_name(place.name + stamp))
            moves.append((place, aside[-1]))
        moves.append((stage, place))
    if (stage := stages.get(LOG)) and files.log:
        place = files.log
        for suffix in _COMPANIONS:
            if (path := place.with_name(place.name + suffix)).exists():
                moves.append((path, place.with_name(place.name + stamp + suffix)))
                aside += [place.with_name(place.name + stamp)] if not suffix else []
        moves.append((stage, place))
    if (stage := stages.get(STATE)) and files.state:
        place = files.state
        make_private_folder(place)
        if old := _state_files(place):
            aside.append(place.with_name(place.name + stamp))
            make_private_folder(aside[-1])
            moves += [(path, aside[-1] / path.name) for path in old]
        moves += [(path, place / path.name) for path in sorted(stage.iterdir())]
    _rename_all(moves)
    for folder in {path.parent for move in moves for path in move if path.parent.is_dir()}:
        sync_folder(folder)
    return aside


def _rename_all(moves: list[Move]) -> None:
    done: list[Move] = []
    try:
        for source, target in moves:
            source.rename(target)
            done.append((source, target))
    except OSError:
        for source, target in reversed(done):
            target.rename(source)
        raise


def _read_again(files: EmbeddedFiles, manifest: BackupManifest, settings: Settings) -> tuple[int | None, bool]:
    """Return how many records the consumers will read from the log, and whether from its beginning."""
    if files.log is None or not files.log.exists():
        return None, False
    records, whole = 0, False
    found = extents(files.log, _BUSY_SECONDS)
    for topic in topics_of(settings).all():
        if not topic.consumed or (extent := found.get(topic.name)) is None:
            continue
        committed = extent.positions.get(WAREHOUSE_GROUP)
        written = {
            f"{manifest.warehouse_id}/{one.series}": one.next_offset
            for one in manifest.positions
            if one.topic == topic.name
        }
        series, _, offset = (committed.metadata if committed else "").rpartition("/")
        if committed and series in written and written[series] >= int(offset):
            records += max(0, extent.first + extent.records - max(committed.next, extent.first))
        else:
            records, whole = records + extent.records, whole or extent.records > 0
    return records, whole
