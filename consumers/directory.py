"""Directory records into the snapshot tables; the completing record last, so that a snapshot is seen whole."""

from collections.abc import Sequence

import msgspec

from consumers.bisect import insert_all
from consumers.writer import Poison
from rollcall.eventlog import Entry
from rollcall.records import Directory, License, Role, Seats, SnapshotComplete, User, decode_directory
from rollcall.warehouse import Warehouse

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
        """See `consumers.writer.Writer.write`."""
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
