"""See that the server inserts as consumers need it: a profile may forbid settings or hold them at other values."""

from clickhouse_connect.driver.exceptions import ProgrammingError

from rollcall.errors import SettingsError, WarehouseUnavailableError
from rollcall.warehouse.client import WRITE_SETTINGS, Warehouse

_FORBIDDEN = frozenset({115, 164, 452})
"""ClickHouse error codes of a setting that is unknown, read-only, or outside of a constraint."""

_WHY = {
    "async_insert": "an answered insert would be in the server's memory, and a crash would lose it",
    "insert_deduplicate": "an insert equal to an earlier one would be dropped without an error",
    "max_partitions_per_insert_block": "a batch with facts of many months would be refused",
}


async def verify_insert_settings(warehouse: Warehouse) -> None:
    """Read back what inserts of this connection run under.

    Raises:
        SettingsError: The server does not take or does not follow a setting; the text names it.
        WarehouseUnavailableError: The engine cannot be asked.
    """
    try:
        rows = await warehouse.query(
            "SELECT name, value FROM system.settings WHERE name IN {names:Array(String)}",
            {"names": list(WRITE_SETTINGS)},
        )
    except WarehouseUnavailableError as error:
        cause = error.__cause__
        if isinstance(cause, ProgrammingError) or getattr(cause, "code", None) in _FORBIDDEN:
            for name in WRITE_SETTINGS:
                if name in str(cause):
                    raise SettingsError(_complaint(name, "does not let us set it")) from error
        raise
    effective = {row["name"]: row["value"] for row in rows}
    for name, wanted in WRITE_SETTINGS.items():
        if (found := effective.get(name)) != str(wanted):
            raise SettingsError(_complaint(name, f"holds it at {found}" if found else "does not tell its value"))


def _complaint(name: str, what: str) -> str:
    return (
        f"warehouse_url: the server {what}: {name} must be {WRITE_SETTINGS[name]}, or {_WHY[name]}. "
        "Change the profile of the user that Rollcall comes as; docs/clickhouse.md has one that works"
    )
