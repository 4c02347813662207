"""What all tests share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rollcall.warehouse import Warehouse

from .facts import fresh_warehouse
from .warehouse import servers


def pytest_report_header() -> str:
    return f"ClickHouse server of the tests: {servers.what()}"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def warehouse(tmp_path: Path) -> AsyncIterator[Warehouse]:
    async with fresh_warehouse(tmp_path) as opened:
        yield opened


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Side by side (pytest -n 2 --dist loadgroup), a file stays in one process, and so does everything with Kafka.

    A process can open one chDB folder at a time, and one broker is enough.
    """
    for item in items:
        folder = item.path.parent
        group = "kafka" if folder.name == "kafka" else f"{folder.name}/{item.path.name}"
        item.add_marker(pytest.mark.xdist_group(group))
