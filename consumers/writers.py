"""Writers make rows of the records of one topic: activity, and the directory's snapshots.

Activity goes into ``activity`` and, through its views, into the rollups. Directory rows go into the snapshot tables,
the completing record last, so that a snapshot is seen whole. A batch of which the engine refuses a row is halved until
the bad row stands alone.

How far a topic is written stands in the warehouse too, so that one that is empty, older or another is noticed.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec

from consumers.poison import Poison, readable
from rollcall.errors import WarehouseUnavailableError
from rollcall.eventlog import Entry, Position, Reader
from rollcall.forgotten_accounts import ForgottenAccounts, KeptOut
from rollcall.logs import logger
from rollcall.records import (
    KINDS,
    Activity,
    DaysRead,
    Directory,
    DirectoryRow,
    SnapshotComplete,
    decode_activity,
    decode_directory,
    encode,
)
from rollcall.settings import SiteSettings
from rollcall.warehouse import RefusedRowsError, Warehouse
from rollcall.warehouse.erasure import remember_forgotten

log = logger(__name__)


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


@dataclass(slots=True)
class Touched:
    """What was written of a site, whose rollups are not computed since.

    Attributes:
        days: Days of facts.
        accounts: Pairs of an account and a type that a fact said of it, none of them seen before.
        latest: The latest moment of each account's facts, epoch ms.
        is_taken: Whether another process may have written what it did not compute.
        has_snapshot: Whether the directory is another.
    """

    days: set[date] = field(default_factory=set)
    accounts: set[tuple[str, str]] = field(default_factory=set)
    latest: dict[str, int] = field(default_factory=dict)
    is_taken: bool = False
    has_snapshot: bool = False

    def add(self, other: "Touched") -> None:
        """Add what another one has."""
        self.days |= other.days
        self.accounts |= other.accounts
        for account, moment in other.latest.items():
            self.latest[account] = max(moment, self.latest.get(account, 0))
        self.is_taken |= other.is_taken
        self.has_snapshot |= other.has_snapshot


_QUARTER = 900_000
"""Milliseconds of a quarter of an hour: within one, it is the same day in every time zone."""
_MOST_QUARTERS = 100_000


class TouchedSites:
    """What writers touched, by site, for who computes rollups (`consumers.refresher`).

    Args:
        sites: The settings' sites, for their time zones.

    Attributes:
        any: Set while something is touched.
    """

    def __init__(self, sites: Mapping[str, SiteSettings]) -> None:
        self.any = asyncio.Event()
        self._zones = {name: ZoneInfo(site.timezone) for name, site in sites.items()}
        self._sites: dict[str, Touched] = {}
        self._seen: set[tuple[str, str, str]] = set()
        self._day_of: dict[tuple[str, int], date] = {}

    @property
    def is_taken(self) -> bool:
        """Whether partitions were taken over and nothing is computed since."""
        return any(touched.is_taken for touched in self._sites.values())

    def facts(self, facts: Iterable[Activity]) -> None:
        """Note facts that are in the warehouse."""
        for fact in facts:
            touched = self._of(fact.site)
            touched.days.add(self._day(fact.site, fact.occurred_at))
            touched.latest[fact.account_id] = max(touched.latest.get(fact.account_id, 0), fact.occurred_at)
            seen = (fact.site, fact.account_id, fact.account_type)
            if fact.account_id and seen not in self._seen:
                self._seen.add(seen)
                touched.accounts.add(seen[1:])

    def snapshot(self, site: str) -> None:
        """Note that a site's directory is another."""
        self._of(site).has_snapshot = True

    def taken(self) -> None:
        """Note that this process takes over from others, which may have left anything undone, on any site."""
        for site in self._zones:
            self._of(site).is_taken = True

    def back(self, site: str, touched: Touched) -> None:
        """Note again what could not be computed."""
        self._of(site).add(touched)

    def take(self) -> dict[str, Touched]:
        """Return what is noted, which is noted no longer."""
        self.any.clear()
        taken, self._sites = self._sites, {}
        return taken

    def _of(self, site: str) -> Touched:
        self.any.set()
        return self._sites.setdefault(site, Touched())

    def _day(self, site: str, moment: int) -> date:
        key = (site, moment // _QUARTER)
        if key not in self._day_of:
            if len(self._day_of) > _MOST_QUARTERS:
                self._day_of.clear()
            self._day_of[key] = datetime.fromtimestamp(moment / 1000, self._zones.get(site, ZoneInfo("UTC"))).date()
        return self._day_of[key]


_NOBODY = ForgottenAccounts()
_OTHER_SITES = "UTC"
"""Reporting zone of facts whose site is no longer in the settings."""


class ActivityWriter:
    """Writes facts, each with its site's reporting time zone so that the rollup knows its day.

    Args:
        warehouse: Where.
        sites: The settings' sites.
        touched: Told of the facts, for the rollups that hang on them; None where nobody computes these.
        kept_out: Says whose facts are passed over; None for nobody's.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        sites: Mapping[str, SiteSettings],
        touched: TouchedSites | None = None,
        kept_out: KeptOut | None = None,
    ) -> None:
        self._warehouse = warehouse
        self._kept_out = kept_out
        self._touched = touched
        self._zones = {name: _zone_suffix(site.timezone) for name, site in sites.items()}
        self._other = _zone_suffix(_OTHER_SITES)

    async def write(self, entries: Sequence[Entry]) -> list[Poison]:
        """See `consumers.writers.Writer.write`."""
        rows, facts = [], []
        poison: list[Poison] = []
        forgotten = await self._kept_out.now() if self._kept_out else _NOBODY
        for entry, fact in readable(entries, decode_activity, "an activity", forgotten, poison):
            if not forgotten.has_act(fact):
                rows.append((entry, encode(fact)[:-1] + self._zones.get(fact.site, self._other)))
                facts.append(fact)
        poison += await insert_all(self._warehouse, "activity_in", rows)
        if self._touched:
            self._touched.facts(facts)
        return poison


def _zone_suffix(timezone: str) -> bytes:
    return b',"timezone":' + msgspec.json.encode(timezone) + b"}"


_TABLES: dict[type[DirectoryRow], str] = {
    **{kind: f"directory_{name}" for kind, name in KINDS.items()},
    DaysRead: "directory_days_read",
    SnapshotComplete: "directory_snapshots",
}
"""In the order of writing: what completes a snapshot comes after all its rows."""


class DirectoryWriter:
    """Writes snapshots: users, licenses and the groups that grant them, roles, seats, projects, and who looked when.

    Args:
        warehouse: Where.
        touched: Told of snapshots, for the rollups that hang on them; None where nobody computes these.
        settle: Computes these; a snapshot is committed after that, so that who waits for it finds it in reports.
        kept_out: Says whose rows are passed over; None for nobody's.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        touched: TouchedSites | None = None,
        settle: Callable[[], Awaitable[None]] | None = None,
        kept_out: KeptOut | None = None,
    ) -> None:
        self._warehouse = warehouse
        self._kept_out = kept_out
        self._touched = touched
        self._settle = settle

    async def write(self, entries: Sequence[Entry]) -> list[Poison]:
        """See `consumers.writers.Writer.write`."""
        poison: list[Poison] = []
        completed = set()
        rows: dict[str, list[tuple[Entry, bytes]]] = {table: [] for table in _TABLES.values()}
        forgotten = await self._kept_out.now() if self._kept_out else _NOBODY
        records = list(readable(entries, decode_directory, "a directory", forgotten, poison))
        if self._kept_out and (back := forgotten.back(record for _, record in records)):
            await remember_forgotten(self._warehouse, back, "back")
            forgotten = await self._kept_out.now()
        for entry, read in records:
            if record := forgotten.without(read):
                rows[_TABLES[type(record)]].append((entry, _line(record)))
                if isinstance(record, SnapshotComplete):
                    completed.add(record.site)
        for table, some in rows.items():
            poison += await insert_all(self._warehouse, table, some)
        if self._touched:
            for site in completed:
                self._touched.snapshot(site)
        if completed and self._settle:
            await self._settle()
        return poison


_MOMENTS = frozenset({"snapshot_id", "completed_at", "looked_at", "as_of", "added_to_org", "since"})


def _line(record: Directory) -> bytes:
    fields = msgspec.structs.asdict(record)
    for name in _MOMENTS & fields.keys():
        if fields[name] is not None:
            fields[name] = f"{fields[name] // 1000}.{fields[name] % 1000:03}"
    return msgspec.json.encode(fields)


@dataclass(frozen=True, slots=True)
class _Metadata:
    """What stands beside a committed offset: the warehouse's id, a series, and the offset written under it.

    The offset is not always the committed one: the log goes on by itself where records were removed.
    """

    warehouse: str
    series: str
    next_offset: int

    @classmethod
    def read(cls, text: str) -> "_Metadata | None":
        """Read it; None when it is nothing of ours."""
        warehouse, _, rest = text.partition("/")
        series, _, offset = rest.partition("/")
        return cls(warehouse, series, int(offset)) if warehouse and series and offset.isdecimal() else None

    def __str__(self) -> str:
        return f"{self.warehouse}/{self.series}/{self.next_offset}"


_OTHER = "it is another warehouse, or an empty one"
_OLDER = "it is older than the positions, as a restored backup is"


def _nothing() -> None:
    """Nobody wants to know."""


class LogPositions:
    """How far the warehouse has the partitions of a topic, held against what the group has committed on the log.

    Each batch's position is written into the warehouse before it is committed. So a committed position that the
    warehouse lacks is of another warehouse, or of this one's future.

    Args:
        warehouse: Where.
        topic: Name of the topic.
        on_taken: Called when partitions came that somebody else may have had before.
    """

    def __init__(self, warehouse: Warehouse, topic: str, on_taken: Callable[[], None] = _nothing) -> None:
        self._warehouse = warehouse
        self._topic = topic
        self._on_taken = on_taken
        self._identity = ""
        self._series: dict[int, str] = {}
        self._written: dict[tuple[str, int], int] = {}

    async def mismatch(self, positions: Iterable[Position]) -> dict[Position, str]:
        """Return those of a group's positions that this warehouse is not at, each with the reason in words.

        Raises:
            WarehouseUnavailableError: It does not say.
        """
        identity, written = await self._known()
        self._identity = identity
        found = {}
        for position in positions:
            beside = _Metadata.read(position.metadata)
            if beside is None or beside.warehouse != identity:
                found[position] = _OTHER
            elif written.get((beside.series, position.partition), 0) < beside.next_offset:
                found[position] = _OLDER
        return found

    async def admit(self, reader: Reader) -> None:
        """Accept the positions that came to a reader, or read the partitions again from their beginning, and say so.

        Raises:
            LogUnavailableError, WarehouseUnavailableError: Some are left; call it again.
        """
        if not (positions := reader.unaccepted()):
            return
        self._on_taken()
        wrong = await self.mismatch(positions)
        again: dict[str, int] = {}
        for position in positions:
            if reason := wrong.get(position):
                series = secrets.token_hex(4)
                records = await reader.restart(position, str(_Metadata(self._identity, series, 0)))
                self._series[position.partition] = series
                if records:
                    again[reason] = again.get(reason, 0) + records
            elif beside := _Metadata.read(position.metadata):
                self._series[position.partition] = beside.series
                self._written[beside.series, position.partition] = beside.next_offset
                reader.accept(position)
        for reason, records in again.items():
            log.warning(
                "the warehouse does not have what the log's positions say; the log is read again from its beginning",
                topic=self._topic,
                records=records,
                cause=reason,
            )

    async def record(self, entries: Sequence[Entry]) -> dict[int, str]:
        """Write how far the topic is written, now that these entries are; return what to commit beside, by partition.

        Raises:
            WarehouseUnavailableError: Nothing is promised; call it again.
        """
        following: dict[int, int] = {}
        for entry in entries:
            if entry.partition in self._series:
                following[entry.partition] = max(following.get(entry.partition, 0), entry.offset + 1)
        rows = [
            {"topic": self._topic, "series": self._series[partition], "partition": partition, "next_offset": offset}
            for partition, offset in following.items()
        ]
        if rows:
            await self._warehouse.insert_lines("log_positions", [msgspec.json.encode(row) for row in rows])
            self._written |= {(self._series[partition], partition): offset for partition, offset in following.items()}
        return {
            partition: str(_Metadata(self._identity, self._series[partition], offset))
            for partition, offset in following.items()
        }

    async def is_exchanged(self) -> bool:
        """Return whether the warehouse is no longer the one, or lacks what was recorded there, such as after a restore.

        The embedded engine's files are looked after by their folder, and another process cannot have them.

        Raises:
            WarehouseUnavailableError: It does not say.
        """
        if self._warehouse.holder or not self._identity or not self._is_another(*await self._known(whole=False)):
            return False
        # A replica may only be behind.
        if not self._is_another(*await self._known()):
            return False
        self._written.clear()
        log.warning("the warehouse is another one than before, or an older state of it", topic=self._topic)
        return True

    def _is_another(self, identity: str, written: Mapping[tuple[str, int], int]) -> bool:
        lacks = any(written.get(place, 0) < offset for place, offset in self._written.items())
        return identity != self._identity or lacks

    async def _known(self, *, whole: bool = True) -> tuple[str, dict[tuple[str, int], int]]:
        """Return the warehouse's id, and the offsets written of the topic by series and partition.

        Args:
            whole: Whether to wait until every replica has them.
        """
        for table in ("warehouse_identity", "log_positions") if whole else ():
            if waiting := self._warehouse.cluster.caught_up(table):
                await self._warehouse.command(waiting)
        ids = await self._warehouse.query("SELECT id FROM warehouse_identity ORDER BY made_at, id LIMIT 1")
        if not ids:
            raise WarehouseUnavailableError("the warehouse has no id; run rollcall migrate")
        rows = await self._warehouse.query(
            "SELECT series, partition, max(log_positions.next_offset) AS written FROM log_positions "
            "WHERE topic = {topic:String} GROUP BY series, partition",
            {"topic": self._topic},
        )
        return ids[0]["id"], {(row["series"], row["partition"]): row["written"] for row in rows}
