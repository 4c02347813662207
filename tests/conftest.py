"""What all tests share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rollcall.warehouse import Warehouse

from .facts import fresh_warehouse


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def warehouse(tmp_path: Path) -> AsyncIterator[Warehouse]:
    async with fresh_warehouse(tmp_path) as opened:
        yield opened
