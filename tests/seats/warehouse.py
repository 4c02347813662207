"""A warehouse of seats, filled as the consumers fill it, with a present that a test sets."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from consumers.writers import ActivityWriter, DirectoryWriter
from rollcall.eventlog import Entry
from rollcall.records import (
    Activity,
    Added,
    Directory,
    Grant,
    License,
    Looked,
    Project,
    Role,
    Seats,
    SnapshotComplete,
    User,
    encode,
)
from rollcall.settings import SeatsSettings
from rollcall.warehouse import Row, Warehouse, record_seat_settings, record_sites

from ..facts import ACME, entries, fact, ms

SOFTWARE, DESK, DISCOVERY, CORE = "jira-software", "jira-servicedesk", "jira-product-discovery", "jira-core"
TYPES = {"SOFT": "software", "HELP": "service_desk", "IDEA": "product_discovery", "DESK": "business", "ODD": "quantum"}
DAY_MS = 86_400_000


async def set_now(warehouse: Warehouse, moment: str) -> None:
    """Let the views take this moment (UTC) for the present."""
    await warehouse.command("DROP VIEW site_days")
    await warehouse.command(
        f"CREATE VIEW site_days AS SELECT site, any(s.timezone) AS timezone, "
        f"toDate(formatDateTime(toDateTime64('{moment}', 3, 'UTC'), '%F', timezone)) AS today "
        "FROM sites AS s FINAL GROUP BY site"
    )


async def directory(warehouse: Warehouse, rows: Iterable[Directory]) -> None:
    made = [Entry(encode(row), 0, n, f"rollcall.directory/0@{n}") for n, row in enumerate(rows)]
    assert await DirectoryWriter(warehouse).write(made) == []


class Snapshot:
    """A snapshot in the making.

    Args:
        at: When it begins, UTC.
        held: Products by who holds them.
    """

    def __init__(self, at: str, held: Mapping[str, tuple[str, ...]]) -> None:
        self.id = ms(at)
        self.base: dict[str, Any] = {"site": "acme", "snapshot_id": self.id}
        self.rows: list[Directory] = []
        self.held = held
        products = sorted({product for some in held.values() for product in some})
        for account, some in held.items():
            self.rows.append(
                User(account_id=account, display_name=account.title(), account_type="atlassian", **self.base)
            )
            self.rows += [License(product=product, account_id=account, **self.base) for product in some]
        self.rows += [Seats(product=product, total=100, used=1, **self.base) for product in products]
        self.rows += [Project(project_key=key, type=kind, **self.base) for key, kind in TYPES.items()]

    def looked(self, account: str, product: str, at: str | None, as_of: str | None = None) -> "Snapshot":
        told = ms(as_of) if as_of else self.id
        looked = Looked(product=product, account_id=account, looked_at=ms(at) if at else None, as_of=told, **self.base)
        self.rows.append(looked)
        return self

    def added(self, account: str, at: str) -> "Snapshot":
        self.rows.append(Added(account_id=account, added_to_org=ms(at), **self.base))
        return self

    def granted(self, account: str, product: str, *groups: str, default: str = "") -> "Snapshot":
        self.rows += [
            Grant(product=product, account_id=account, group=group, is_default=group == default, **self.base)
            for group in groups
        ]
        return self

    def member(self, account: str, group: str) -> "Snapshot":
        self.rows.append(Role(account_id=account, role=group, scope="group", **self.base))
        return self

    def complete(self, *, lacks: tuple[str, ...] = (), reads_as: str = "") -> list[Directory]:
        counts: dict[str, Any] = {"users": 1, "licenses": 1, "roles": 1, "seats": 1}
        last = SnapshotComplete(completed_at=self.id, lacks=list(lacks), reads_as=reads_as, **counts, **self.base)
        return [*self.rows, last]


def act(account: str, at: str, project: str = "SOFT", **changes: Any) -> Activity:
    """An act in a project."""
    key = f"issue:{zlib.crc32(f'{account} {at} {project}'.encode())}:created"
    return fact(key, at, account_id=account, project_key=project, **changes)


@dataclass
class Case:
    """What is known of one site, where anna is judged.

    Attributes:
        snapshot: Its directory; several are taken one after the other.
        acts: Its facts.
        settings: Its settings of seats.
        known: Whether its days are known since long ago.
        complete: What the last snapshot says of itself.
        product: The product for which anna is judged.
    """

    snapshot: Snapshot | list[list[Directory]]
    acts: Sequence[Activity] = ()
    settings: SeatsSettings = field(default_factory=SeatsSettings)
    known: bool = True
    complete: dict[str, Any] = field(default_factory=dict)
    product: str = SOFTWARE


_LONG_AGO = fact("issue:1:created", "2025-01-01T12:00:00", account_id="somebody")


async def judged(warehouse: Warehouse, cases: Sequence[Case], now: str, zone: str = "Europe/Berlin") -> list[Row]:
    """Judge anna in each case: a site each, all in one warehouse, for that is quicker than one each."""
    names = [f"s{number}" for number in range(len(cases))]
    sites = {name: ACME.model_copy(update={"timezone": zone}) for name in names}
    await set_now(warehouse, now)
    await record_sites(warehouse, sites)
    facts, rows = [], []
    for name, case in zip(names, cases, strict=True):
        await record_seat_settings(warehouse, [name], case.settings)
        snapshots = case.snapshot if isinstance(case.snapshot, list) else [case.snapshot.complete(**case.complete)]
        rows += [replace(row, site=name) for snapshot in snapshots for row in snapshot]
        facts += [replace(one, site=name) for one in (*case.acts, *([_LONG_AGO] if case.known else []))]
    await directory(warehouse, rows)
    assert await ActivityWriter(warehouse, sites).write(entries(facts)) == []
    found = {
        (row["site"], row["product"]): row
        for row in await warehouse.query("SELECT * FROM seats WHERE account_id = 'anna'")
    }
    return [found[name, case.product] for name, case in zip(names, cases, strict=True)]


async def seats(warehouse: Warehouse, where: str = "1") -> dict[tuple[str, str], Row]:
    """The view's rows by person and product."""
    rows = await warehouse.query(f"SELECT * FROM seats WHERE {where} ORDER BY product, account_id")
    found = {(row["account_id"], row["product"]): row for row in rows}
    assert len(found) == len(rows)
    return found
