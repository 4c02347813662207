"""Activity records into ``activity`` and, through its views, into the rollups."""

from collections.abc import Mapping, Sequence

import msgspec

from consumers.bisect import insert_all
from consumers.writer import Poison
from rollcall.eventlog import Entry
from rollcall.records import decode_activity, encode
from rollcall.settings import SiteSettings
from rollcall.warehouse import Warehouse

_OTHER_SITES = "UTC"
"""Reporting zone of facts whose site is no longer in the settings."""


class ActivityWriter:
    """Writes facts, each with its site's reporting time zone so that the rollup knows its day."""

    def __init__(self, warehouse: Warehouse, sites: Mapping[str, SiteSettings]) -> None:
        self._warehouse = warehouse
        self._zones = {name: _zone_suffix(site.timezone) for name, site in sites.items()}
        self._other = _zone_suffix(_OTHER_SITES)

    async def write(self, entries: Sequence[Entry]) -> list[Poison]:
        """See `consumers.writer.Writer.write`."""
        rows, poison = [], []
        for entry in entries:
            try:
                fact = decode_activity(entry.value)
            except msgspec.DecodeError as error:
                poison.append(Poison(entry, "bad_record", f"not an activity record: {error}"))
                continue
            rows.append((entry, encode(fact)[:-1] + self._zones.get(fact.site, self._other)))
        return poison + await insert_all(self._warehouse, "activity_in", rows)


def _zone_suffix(timezone: str) -> bytes:
    return b',"timezone":' + msgspec.json.encode(timezone) + b"}"
