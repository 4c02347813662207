"""The users of deploy/clickhouse/users.xml at the server: each may do what it needs, and nothing that it must not.

On the stand-in chDB has read the file, so profile and grants hold; but it has one of the users at a time.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from console.sqldoor.allowlist import INTERNAL_TABLES
from rollcall.errors import WarehouseUnavailableError
from rollcall.warehouse import Warehouse, open_warehouse
from rollcall.warehouse.schema_check import verify_insert_settings

from ..deploy.files import READABLE
from ..facts import fact, migrated, write
from .engines import clear
from .guard import guard_of
from .servers import Chosen, guarded

pytestmark = pytest.mark.anyio
ComeAs = Callable[[str], AbstractContextManager[str]]

READONLY, CONSTRAINT, NO_DDL, DENIED = 164, 452, 392, 497
"""ClickHouse's codes of refusals."""


@pytest.fixture
def come_as(clickhouse: Chosen, tmp_path: Path) -> ComeAs:
    """Open the database `rollcall` to one user; gives that user's warehouse_url."""
    if clickhouse.real and not clickhouse.by_user:
        pytest.skip("the server given has users of its own")

    @contextmanager
    def opened(user: str) -> Iterator[str]:
        if clickhouse.real:
            yield clickhouse.by_user[user]
            return
        with guarded(tmp_path / "data", guard_of(user)) as made:
            yield made.address("rollcall")

    return opened


@asynccontextmanager
async def reader(come_as: ComeAs) -> AsyncIterator[Warehouse]:
    """The user of dashboards, where `rollcall` has written a fact."""
    with come_as("rollcall") as url:
        await clear(url)
        async with migrated(url) as warehouse:
            await verify_insert_settings(warehouse)
            await write(warehouse, fact("history:1", "2026-11-02T10:00:00"))
    with come_as("dashboards") as url:
        warehouse = await open_warehouse(url, "a test", write=False)
        try:
            yield warehouse
        finally:
            await warehouse.close()


async def code(warehouse: Warehouse, sql: str) -> int:
    with pytest.raises(WarehouseUnavailableError) as refused:
        await warehouse.command(sql)
    return int(getattr(refused.value.__cause__, "code", 0))


async def test_dashboards_read_all_they_may_and_change_nothing(come_as: ComeAs) -> None:
    async with reader(come_as) as warehouse:
        for name in sorted(READABLE):
            arguments = (
                "(site='acme', days=30)" if name in ("user_usage", "license_usage", "idle_licenses_over") else ""
            )
            await warehouse.query(f"SELECT * FROM {name}{arguments} LIMIT 1")
        assert await warehouse.query("SELECT count() AS n FROM activity FINAL") == [{"n": 1}]
        for name in INTERNAL_TABLES:
            assert await code(warehouse, f"SELECT * FROM {name}") == DENIED
        for change in ("INSERT INTO activity_in (site) VALUES ('x')", "DROP TABLE activity", "CREATE DATABASE x"):
            assert await code(warehouse, change) in (READONLY, DENIED)


async def test_dashboards_stay_in_their_bounds(come_as: ComeAs) -> None:
    async with reader(come_as) as warehouse:
        await warehouse.query("SELECT 1 SETTINGS max_execution_time = 30")  # as Grafana's plugin does
        for beyond in (
            "max_execution_time = 61",
            "max_threads = 3",
            "max_memory_usage = 0",
            "max_result_rows = 2000000",
        ):
            assert await code(warehouse, f"SELECT 1 SETTINGS {beyond}") == CONSTRAINT, beyond
        assert await code(warehouse, "SELECT 1 SETTINGS readonly = 0") == READONLY
        assert await code(warehouse, "SELECT 1 SETTINGS allow_ddl = 1") in (NO_DDL, CONSTRAINT)


async def test_the_writer_has_no_rights_elsewhere(come_as: ComeAs) -> None:
    with come_as("rollcall") as url:
        await clear(url)
        async with migrated(url) as warehouse:
            for sql in (
                "CREATE DATABASE elsewhere",
                "CREATE TABLE default.elsewhere (x UInt8) ENGINE = Memory",
                "CREATE USER another",
                "GRANT SELECT ON rollcall.* TO dashboards",
                "TRUNCATE TABLE activity",
                "DROP DATABASE rollcall",
            ):
                assert await code(warehouse, sql) == DENIED, sql


async def test_nobody_else_comes_in(come_as: ComeAs) -> None:
    with come_as("rollcall") as url:
        right = urlsplit(url)
        for user in ("rollcall:wrong", "rollcall", "", "default", f"dashboards:{right.password}"):
            warehouse = await open_warehouse(f"clickhouse://{user}@{right.hostname}:{right.port}/rollcall", "a test")
            try:
                with pytest.raises(WarehouseUnavailableError, match=r"warehouse\.password_file"):
                    await warehouse.ping()
            finally:
                await warehouse.close()
