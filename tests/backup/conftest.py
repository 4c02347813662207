"""An installation with facts, a dead letter and marks, backed up once; tests copy the backup when they harm it."""

import asyncio
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from console.backup.copier import back_up_to
from console.backup.restorer import Restored, restore_from
from console.bars import Steps
from consumers.supervisor import drain
from rollcall.records import Activity, encode
from rollcall.runtime import opened_with_warehouse
from rollcall.settings import Settings, load_settings
from rollcall.warehouse import migrate, record_sites
from rollcall.warehouse.rollup_check import differing_rows

from ..console.conftest import NOWHERE, Shell
from ..facts import fact, lay_tables

SECRET = "a-webhook-secret-of-nobody-else"
MARK = '{"basis": "of-acme", "issues": 5}'


def some_facts(numbers: Sequence[int]) -> list[Activity]:
    """A fact each, by twenty people on seven days."""
    return [
        fact(f"comment:{n}:created", f"2026-11-0{1 + n % 7}T10:00:{n % 60:02}", account_id=f"person{n % 20}")
        for n in numbers
    ]


@dataclass
class Place(Shell):
    """An installation whose log is consumed when it is told to."""

    @property
    def settings(self) -> Settings:
        return load_settings(self.config)

    def post(self, numbers: Sequence[int]) -> None:
        """Put facts on the log."""
        self.append(lambda topics: topics.activity.name, *map(encode, some_facts(numbers)))

    def consume(self) -> None:
        """Write what is on the log into the warehouse."""

        async def main() -> None:
            await lay_tables(self.settings.warehouse_url)
            async with opened_with_warehouse(self.settings, "a test") as runtime:
                await migrate(runtime.warehouse)
                await record_sites(runtime.warehouse, self.settings.sites)
                await drain(runtime)

        asyncio.run(main())

    def back_up(self, folder: Path) -> None:
        asyncio.run(back_up_to(folder, self.settings, Steps()))

    def restore(self, folder: Path, *, replace: bool = False, warehouse_only: bool = False) -> Restored:
        restoring = restore_from(folder, self.settings, Steps(), replace=replace, warehouse_only=warehouse_only)
        return asyncio.run(restoring)

    def facts(self) -> list[int]:
        """The numbers of the facts of the warehouse, whose rollups say what they say."""

        async def main() -> list[int]:
            async with opened_with_warehouse(self.settings, "a test", write=False) as runtime:
                rows = await runtime.warehouse.query("SELECT event_key FROM activity FINAL")
                differing = await differing_rows(runtime.warehouse, "acme", "Europe/Berlin")
                assert not any(differing.values()), differing
                return sorted(int(row["event_key"].split(":")[1]) for row in rows)

        return asyncio.run(main())

    def everything(self) -> dict[str, bytes]:
        """Every file of it but locks, by its path."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and not path.name.endswith(("lock", "-queue", "-shm", "-wal"))
        }


def place(folder: Path, extra: str = "") -> Place:
    folder.mkdir(parents=True)
    (folder / "rollcall.toml").write_text(
        f"""
        log_url = "sqlite://{folder}/events.db"
        warehouse_url = "chdb://{folder}/warehouse"
        {NOWHERE}
        {extra}
        [sites.acme]
        url = "https://acme.atlassian.net"
        webhook_secrets = ["{SECRET}"]
        timezone = "Europe/Berlin"
        """
    )
    return Place(folder)


@dataclass(frozen=True)
class Made:
    """An installation and a backup of it."""

    place: Place
    folder: Path

    def copy(self, to: Path) -> Path:
        """A copy of the backup, to be harmed."""
        shutil.copytree(self.folder, to / "harmed")
        return to / "harmed"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Facts 1 to 40 are in the warehouse, 41 to 50 are on the log only."""
    base = tmp_path_factory.mktemp("backed_up")
    one = place(base / "installation")
    one.post(range(1, 41))
    one.consume()
    one.post(range(41, 51))
    one.append(lambda topics: topics.deadletter.name, b'{"payload": "kept"}')
    (one.folder / "sql_token").write_text("the-token-of-the-door")
    (one.folder / "reconcile").mkdir()
    (one.folder / "reconcile" / "acme.watermark").write_text(MARK)
    (one.folder / "reconcile" / "acme.json").write_text("{}")
    sqlite3.connect(one.folder / "reconcile" / "acme.spool").close()
    (one.folder / "reconcile" / "acme.lock").touch()
    one.back_up(base / "backup")
    return Made(one, base / "backup")
