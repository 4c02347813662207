"""The SQL door of `up`: ClickHouse's HTTP interface, read-only, over the embedded engine."""

from console.sqldoor.door import create_door
from console.sqldoor.profile import DoorLimits

__all__ = ["DoorLimits", "create_door"]
