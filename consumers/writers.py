"""Writers make rows of the records of one topic: activity, and the directory's snapshots.

Activity goes into ``activity`` and, through its views, into the rollups. Directory rows go into the snapshot tables,
the completing record last, so that a snapshot is seen whole. A batch of which the engine refuses a row is halved until
the bad row stands alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from rollcall.eventlog import Entry
from rollcall.records import (
    Directory,
    License,
    Role,
    Seats,
    SnapshotComplete,
    User,
    decode_activity,
    decode_directory,
    encode,
)
from rollcall.settings import SiteSettings
from rollcall.warehouse import RefusedRowsError, Warehouse


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that no fact can be made of, and why."""

    entry: Entry
    reason: str
    detail: str


class Writer(Protocol):
    """Writes one kind of record."""

    async def write(self, entries: Sequence[Entry]) -> list[Poison]:
        """Write what can be understood; when this returns it is in the warehouse.

        Writing the same entries again, in whatever batches, changes nothing.

        Returns:
            The records that cannot be written, whatever the time.

        Raises:
            WarehouseUnavailableError: Nothing is promised; write them again.
        """
        ...


async def insert_all(warehouse: Warehouse, table: str, rows: Sequence[tuple[Entry, bytes]]) -> list[Poison]:
    """Insert rows, each with the entry it came from.

    Returns:
        The entries whose rows the engine refuses.

    Raises:
        WarehouseUnavailableError: Insert them all again; what is in already does no harm.
    """
    if not rows:
        return []
    try:
        await warehouse.insert_lines(table, [line for _, line in rows])
    except RefusedRowsError as error:
        if len(rows) == 1:
            return [Poison(rows[0][0], "refused_row", f"the warehouse refuses this record: {error}")]
        middle = len(rows) // 2
        left = await insert_all(warehouse, table, rows[:middle])
        return left + await insert_all(warehouse, table, rows[middle:])
    return []


_OTHER_SITES = "UTC"
"""Reporting zone of facts whose site is no longer in the settings."""


class ActivityWriter:
    """Writes facts, each with its site's reporting time zone so that the rollup knows its day."""

    def __init__(self, warehouse: Warehouse, sites: Mapping[str, SiteSettings]) -> None:
        self._warehouse = warehouse
        self._zones = {name: _zone_suffix(site.timezone) for name, site in sites.items()}
        self._other = _zone_suffix(_OTHER_SITES)

    async def write(self, entries: Sequence[Entry]) -> list[Poison]:
        """See `consumers.writers.Writer.write`."""
        rows, poison = [], []
        for entry in entries:
            try:
                fact = decode_activity(entry.value)
            except msgspec.DecodeError as error:
                poison.append(Poison(entry, "bad_record", f"not an activity record: {error}"))
                continue
            rows.append((entry, encode(fact)[:-1] + self._zones.get(fact.site, self._other)))
        return poison + await insert_all(self._warehouse, "activity_in", rows)


def _zone_suffix(timezone: str) -> bytes:
    return b',"timezone":' + msgspec.json.encode(timezone) + b"}"


_TABLES: dict[type[Directory], str] = {
    User: "directory_users",
    License: "directory_licenses",
    Role: "directory_roles",
    Seats: "directory_seats",
    SnapshotComplete: "directory_snapshots",
}
"""In the order of writing: what completes a snapshot comes after all its rows."""


class DirectoryWriter:
    """Writes snapshots of users, licenses, roles and seats."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    async def write(self, entries: Sequence[Entry]) -> list[Poison]:
        """See `consumers.writers.Writer.write`."""
        poison = []
        rows: dict[str, list[tuple[Entry, bytes]]] = {table: [] for table in _TABLES.values()}
        for entry in entries:
            try:
                record = decode_directory(entry.value)
            except msgspec.DecodeError as error:
                poison.append(Poison(entry, "bad_record", f"not a directory record: {error}"))
                continue
            rows[_TABLES[type(record)]].append((entry, _line(record)))
        for table, some in rows.items():
            poison += await insert_all(self._warehouse, table, some)
        return poison


def _line(record: Directory) -> bytes:
    fields = msgspec.structs.asdict(record)
    for name in ("snapshot_id", "completed_at"):
        if name in fields:
            fields[name] = f"{fields[name] // 1000}.{fields[name] % 1000:03}"
    return msgspec.json.encode(fields)
