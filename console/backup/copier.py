"""Back up the embedded files, while `up` may be running and taking webhooks.

The order is what makes the parts fit: reconcile's state, then the warehouse, then the log. Each is older than the next,
and what an older one lacks is found in the newer: the next run reads from the older mark on, and the consumers read
from the log what is beyond the warehouse's positions. docs/decisions/0014-backups-oldest-part-first.md says why.
"""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from console.backup.folder import (
    LOG,
    STATE,
    WAREHOUSE,
    BackupError,
    BackupManifest,
    TopicCopy,
    new_folder,
    seal,
)
from console.bars import Steps
from console.control import request_backup
from reconcile.state.run_state import state_folder
from rollcall import __version__
from rollcall.errors import SettingsError, WarehouseUnavailableError
from rollcall.eventlog.log_url import sqlite_file
from rollcall.eventlog.sqlite.database import TopicExtent, copy_database, extents
from rollcall.runtime import WAREHOUSE_GROUP, opened_warehouse, topics_of
from rollcall.settings import Settings
from rollcall.warehouse.embedded_backup import FOLDER, WarehouseBackup, back_up
from rollcall.warehouse.engines import Embedded, parse_warehouse_url, read_holding

KEPT_STATE = (".watermark", ".last")
"""Of reconcile's state. What an unfinished run left is not: without it the next one begins anew from the mark."""

_BUSY_SECONDS = 30.0
_TRIES = 3


@dataclass(frozen=True, slots=True)
class EmbeddedFiles:
    """What of an installation is files of this machine; None for what a server has.

    Attributes:
        log: The event log, with the dead letters.
        warehouse: The embedded warehouse.
        state: The folder of what reconcile remembers, which may not be there yet.
    """

    log: Path | None
    warehouse: Embedded | None
    state: Path | None

    @property
    def elsewhere(self) -> list[str]:
        """What is on servers, and what backs it up there."""
        found = []
        if self.log is None:
            found.append("the event log is on Kafka, which keeps its records on several brokers: min.insync.replicas")
        if self.warehouse is None:
            found.append("the warehouse is a ClickHouse server, which backs up by itself: BACKUP DATABASE … TO …")
        return found


def embedded_files(settings: Settings) -> EmbeddedFiles:
    """Return which files an installation has on this machine.

    Raises:
        SettingsError: None: log and warehouse are on servers.
    """
    address = parse_warehouse_url(settings.warehouse_url)
    log, warehouse = sqlite_file(settings.log_url), address if isinstance(address, Embedded) else None
    found = EmbeddedFiles(log, warehouse, state_folder(settings))
    if log is None and warehouse is None:
        raise SettingsError(
            f"log_url, warehouse_url: {'; '.join(found.elsewhere)}. There is nothing here to back up but settings and, "
            f"if runs are to go on from where they were, {found.state or 'the folder of reconcile.state_dir'}: copy "
            "these as files. docs/operations.md says more"
        )
    return found


async def back_up_to(folder: Path, settings: Settings, steps: Steps) -> BackupManifest:
    """Back up an installation's embedded files into a new folder.

    Args:
        folder: The folder, absolute; not there, or empty. What is there at the end is whole.
        settings: The settings; nothing of them is in it.
        steps: Shows how far it is.

    Raises:
        SettingsError: The folder cannot be used, or there is nothing embedded.
        BackupError: Something cannot be read or written.
        WarehouseUnavailableError: The engine could not back up.
    """
    files = embedded_files(settings)
    _require_there(files, folder)
    began_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    with new_folder(folder) as partial_folder:
        async with _alone(files):
            _copy_state(files, partial_folder)
            made, topics = await _copy_together(files, settings, partial_folder, steps)
        manifest = BackupManifest(
            made_by=__version__,
            began_at=began_at,
            parts=sorted(path.name for path in partial_folder.iterdir()),
            schema=made.schema if made else {},
            warehouse_id=made.identity if made else "",
            positions=made.positions if made else [],
            topics={name: TopicCopy(extent.records, extent.first) for name, extent in topics.items()},
            files={},
        )
        with steps.step("checksums", _size(partial_folder)) as advance:
            return await steps.in_thread(partial(seal, partial_folder, manifest, advance))


def _require_there(files: EmbeddedFiles, folder: Path) -> None:
    for path, setting in ((files.log, "log_url"), (files.warehouse and files.warehouse.path, "warehouse_url")):
        if path and not path.exists():
            raise BackupError(f"{setting}: there is nothing at {path} yet; start `rollcall up`, or check {setting}")
    if files.warehouse and folder.is_relative_to(files.warehouse.path):
        raise SettingsError(f"{folder}: is in the warehouse's own folder; name one elsewhere")


@asynccontextmanager
async def _alone(files: EmbeddedFiles) -> AsyncIterator[None]:
    """See that only one backup of a warehouse is made at a time, and that nothing stays in its folder."""
    if files.warehouse is None:
        yield
        return
    path = files.warehouse.path
    lock = os.open(path.with_name(f"{path.name}.backup.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(f"another backup of {path} is under way; wait for it") from None
        try:
            yield
        finally:
            shutil.rmtree(path / FOLDER, ignore_errors=True)
    finally:
        os.close(lock)


def _copy_state(files: EmbeddedFiles, folder: Path) -> None:
    found = sorted(files.state.iterdir()) if files.state and files.state.is_dir() else []
    if kept := [path for path in found if path.suffix in KEPT_STATE]:
        (folder / STATE).mkdir(mode=0o700)
        for path in kept:
            # Each is replaced in one step, so it is whole whenever it is read.
            with suppress(FileNotFoundError):
                shutil.copyfile(path, folder / STATE / path.name)


async def _copy_together(
    files: EmbeddedFiles, settings: Settings, folder: Path, steps: Steps
) -> tuple[WarehouseBackup | None, Mapping[str, TopicExtent]]:
    """Copy warehouse and log so that the log has whatever the warehouse lacks."""
    for _ in range(_TRIES):
        before = await _extents(files.log, steps)
        made = None
        if files.warehouse:
            with steps.step("the warehouse, by its engine"):
                made = await _back_up_warehouse(settings, files.warehouse)
            await steps.in_thread(partial(_take, Path(made.folder), folder / WAREHOUSE))
        await _copy_log(files.log, folder / LOG, steps)
        after = await _extents(folder / LOG if files.log else None, steps)
        consumed = [topic.name for topic in topics_of(settings).all() if topic.consumed]
        if not made or not any(_is_torn(name, made, before, after) for name in consumed):
            return made, after
        shutil.rmtree(folder / WAREHOUSE)
        (folder / LOG).unlink()
    raise BackupError(
        "the log removes records faster than they can be backed up, so that neither copy would have them: set "
        "retention.max_bytes to more, or back up while fewer webhooks come"
    )


def _is_torn(
    topic: str, made: WarehouseBackup, before: Mapping[str, TopicExtent], after: Mapping[str, TopicExtent]
) -> bool:
    """Return whether records were removed from the log meanwhile that the copy of the warehouse may lack."""
    if topic not in before or topic not in after or after[topic].first == before[topic].first:
        return False
    group = after[topic].positions.get(WAREHOUSE_GROUP)
    series = group.metadata.split("/")[1:2] if group else []
    written = [one.next_offset for one in made.positions if one.topic == topic and one.series in series]
    return after[topic].first > max(written, default=0)


async def _extents(log: Path | None, steps: Steps) -> Mapping[str, TopicExtent]:
    if log is None:
        return {}
    try:
        return await steps.in_thread(partial(extents, log, _BUSY_SECONDS))
    except sqlite3.Error as error:
        raise BackupError(f"the event log {log} cannot be read ({error})") from error


async def _copy_log(log: Path | None, target: Path, steps: Steps) -> None:
    if log is None:
        return
    size = _size(log)
    with steps.step("the event log", size) as advance:
        done = 0

        def progress(pages: int, of: int) -> None:
            nonlocal done
            now = size * pages // max(of, 1)
            advance(now - done)
            done = now

        try:
            await steps.in_thread(partial(copy_database, log, target, _BUSY_SECONDS, progress))
        except sqlite3.Error as error:
            raise BackupError(
                f"the event log {log} cannot be copied ({error}); see that its disk is healthy"
            ) from error


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


async def _back_up_warehouse(settings: Settings, address: Embedded) -> WarehouseBackup:
    if (holding := read_holding(address)) and not holding.brief:
        return await request_backup(holding)
    async with opened_warehouse(settings, "rollcall backup") as warehouse:
        return await back_up(warehouse)


def _take(source: Path, target: Path) -> None:
    """Take the engine's files: another name for them where that is possible, else a copy."""
    if not source.is_dir():
        raise WarehouseUnavailableError(f"the engine says that it backed up into {source}, where nothing is")
    try:
        source.rename(target)
    except OSError:  # on another disk
        shutil.copytree(source, target)
