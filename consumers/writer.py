"""What a writer is: it turns the records of one topic into rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rollcall.eventlog import Entry


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that no fact can be made of, and why."""

    entry: Entry
    reason: str
    detail: str


class Writer(Protocol):
    """Writes one kind of record."""

    async def write(self, entries: Sequence[Entry]) -> list[Poison]:
        """Write what can be understood; when this returns it is in the warehouse.

        Writing the same entries again, in whatever batches, changes nothing.

        Returns:
            The records that cannot be written, whatever the time.

        Raises:
            WarehouseUnavailableError: Nothing is promised; write them again.
        """
        ...
