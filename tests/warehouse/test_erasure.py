"""Erasure of forgotten accounts, on both engines, cut short at any moment; and where an id may stand."""

import pytest

from rollcall.forgotten_accounts import ForgottenAccounts
from rollcall.settings import SeatsSettings
from rollcall.warehouse import Warehouse
from rollcall.warehouse.erasure import erase_forgotten, remember_forgotten, search

from ..facts import SITES, fact, write
from ..failures import FailingWarehouse, Failures
from .engines import on_a_real_server_too

pytestmark = pytest.mark.anyio

ANNA, BERT = "557058:f58131cb-b67d-43c7-b30d-6b58d40bd077", "5b10ac8d82e05b22cc7d4ef5"
AT = "2026-11-02T10:00:00"
FACTS = [
    fact(f"history:{number}", AT, account_id=who, source=source)
    for number, who in enumerate((ANNA, BERT))
    for source in ("webhook", "reconcile")
]


async def figures(warehouse: Warehouse) -> tuple[object, ...]:
    days = await warehouse.query("SELECT day, active FROM active_users_daily WHERE active > 0")
    coverage = await warehouse.query("SELECT day, known FROM webhook_coverage_daily")
    return days, coverage, await warehouse.query("SELECT DISTINCT account_id FROM user_usage_30d")


async def forget(warehouse: Warehouse) -> dict[str, int]:
    return await erase_forgotten(warehouse, SITES, SeatsSettings())


@on_a_real_server_too
async def test_cut_short_at_any_moment_the_next_one_does_the_rest(warehouse: Warehouse) -> None:
    await write(warehouse, *FACTS[2:])
    without = await figures(warehouse)
    entry = ForgottenAccounts().entry_for(ANNA)
    at, done = 1, False
    while not done:
        await write(warehouse, *FACTS[:2])
        assert await figures(warehouse) != without
        await remember_forgotten(warehouse, [entry])
        failures = Failures(at)
        try:
            await forget(FailingWarehouse(warehouse, failures))
            done = True
        except Exception:
            await forget(warehouse)
        assert await figures(warehouse) == without, at
        assert await search(warehouse, ANNA) == {}, at
        assert await forget(warehouse) == {}
        at += 8
    assert at > 30  # so many statements it has
