"""Facts and warehouses for tests."""

import atexit
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from consumers.poison import Poison
from consumers.refresher import Refresher
from consumers.writers import ActivityWriter, DirectoryWriter, TouchedSites, Writer
from rollcall.eventlog import Entry
from rollcall.records import Activity, encode
from rollcall.settings import SiteSettings
from rollcall.warehouse import Warehouse, migrate, open_warehouse, record_sites
from rollcall.warehouse.engines import Embedded, parse_warehouse_url

ACME = SiteSettings.model_validate(
    {"url": "https://acme.atlassian.net", "webhook_secrets": ["0123456789abcdef"], "timezone": "Europe/Berlin"}
)
TOKYO = ACME.model_copy(update={"timezone": "Asia/Tokyo"})
SITES = {"acme": ACME, "other": TOKYO}


def ms(text: str) -> int:
    """Read an ISO moment, UTC when it has no offset, as epoch ms."""
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def fact(event_key: str, at: str | int, **changes: Any) -> Activity:
    """A fact by `anna` at acme, brought by a webhook, unless changed."""
    moment = ms(at) if isinstance(at, str) else at
    family = event_key.partition(":")[0]
    values: dict[str, Any] = {
        "site": "acme",
        "event_key": event_key,
        "account_id": "anna",
        "account_type": "atlassian",
        "family": family if family in ("comment", "worklog") else "history",
        "action": "created",
        "occurred_at": moment,
        "source": "webhook",
        "received_at": moment + 100,
    }
    return Activity(**{**values, **changes})


def entries(facts: Iterable[Activity]) -> list[Entry]:
    """Facts as they are read from a log."""
    return [Entry(encode(one), 0, n, f"rollcall.activity/0@{n}") for n, one in enumerate(facts)]


class Refreshing:
    """Writes as consumers do, and then computes the rollups that this touched, as the process beside them does.

    Args:
        warehouse: Where.
        kind: What writes: facts unless given.
        sites: The settings' sites.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        kind: type[ActivityWriter | DirectoryWriter] = ActivityWriter,
        sites: Mapping[str, SiteSettings] = SITES,
    ) -> None:
        self.touched = TouchedSites(sites)
        self._writer: Writer = (
            ActivityWriter(warehouse, sites, self.touched)
            if issubclass(kind, ActivityWriter)
            else DirectoryWriter(warehouse, self.touched)
        )
        self._refresher = Refresher(warehouse, self.touched, sites)

    async def write(self, entries: Sequence[Entry]) -> list[Poison]:
        """See `consumers.writers.Writer.write`."""
        poison = await self.put(entries)
        await self.settle()
        return poison

    async def put(self, entries: Sequence[Entry]) -> list[Poison]:
        """Write, and leave the computing to `settle`."""
        return await self._writer.write(entries)

    async def settle(self) -> None:
        """Compute the rollups that all that was put touched."""
        await self._refresher.settle()


async def write(warehouse: Warehouse, *facts: Activity) -> list[Poison]:
    """Write facts as the consumer does."""
    return await Refreshing(warehouse).write(entries(facts))


@asynccontextmanager
async def fresh_warehouse(folder: Path) -> AsyncIterator[Warehouse]:
    """A real chDB warehouse with all migrations, in a folder of its own."""
    async with migrated(f"chdb://{folder}/warehouse") as warehouse:
        yield warehouse


@asynccontextmanager
async def migrated(url: str) -> AsyncIterator[Warehouse]:
    """A warehouse with its tables and the sites of the tests."""
    await lay_tables(url)
    warehouse = await open_warehouse(url, "a test")
    try:
        await migrate(warehouse)
        await record_sites(warehouse, SITES)
        yield warehouse
    finally:
        await warehouse.close()


_made: list[Path] = []


async def lay_tables(url: str) -> None:
    """Copy a warehouse with all migrations to where an embedded one is named and none is: half as dear as to migrate.

    The copy has no id, so that it is no other's: `migrate` gives it one.
    """
    address = parse_warehouse_url(url)
    if not isinstance(address, Embedded) or address.path.exists():
        return
    if not _made:
        folder = Path(tempfile.mkdtemp(prefix="rollcall-tables-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        warehouse = await open_warehouse(f"chdb://{folder}/warehouse", "a test")
        try:
            await migrate(warehouse)
            await warehouse.command("TRUNCATE TABLE warehouse_identity")
        finally:
            await warehouse.close()
        _made.append(folder / "warehouse")
    shutil.copytree(_made[0], address.path, symlinks=True)
