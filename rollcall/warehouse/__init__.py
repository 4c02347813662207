"""The warehouse: ClickHouse on a server, or the same engine embedded as chDB."""

from rollcall.warehouse.client import WHOLE, RefusedRowsError, Row, Slice, Warehouse, calls_left, open_warehouse
from rollcall.warehouse.migrations import migrate, require_current
from rollcall.warehouse.rebuild import days_with_facts, rebuild_days, record_sites
from rollcall.warehouse.seats import record_seat_settings

__all__ = [
    "WHOLE",
    "RefusedRowsError",
    "Row",
    "Slice",
    "Warehouse",
    "calls_left",
    "days_with_facts",
    "migrate",
    "open_warehouse",
    "rebuild_days",
    "record_seat_settings",
    "record_sites",
    "require_current",
]
