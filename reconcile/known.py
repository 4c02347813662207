"""What the warehouse knows already, to tell what a run found new and what it repaired."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from rollcall.warehouse import Warehouse

_BATCH = 2000
"""Keys in one query: well below ClickHouse's max_query_size of 256 KiB."""


class Known(NamedTuple):
    """What is known of a fact.

    Attributes:
        attributed: Whether somebody is named as its actor.
        webhook: Whether a webhook brought it.
        rest: Whether an earlier run brought it.
        occurred_at: Its time as the warehouse has it, epoch ms.
    """

    attributed: bool
    webhook: bool
    rest: bool
    occurred_at: int


class Deletion(NamedTuple):
    """A comment's deletion that nobody is named for: its key, issue and time (epoch ms)."""

    event_key: str
    issue_id: int
    at: int


class KnownFacts(Protocol):
    """Answers from what is in the warehouse."""

    async def lookup(self, site: str, keys: Collection[str]) -> Mapping[str, Known]:
        """Return what is known of these facts; unknown ones are absent. Raises WarehouseUnavailableError."""
        ...

    async def nameless_deletions(self, site: str, issue_ids: Collection[int]) -> Sequence[Deletion]:
        """Return deletions of comments of these issues without an actor. Raises WarehouseUnavailableError."""
        ...

    async def has_licenses(self, site: str) -> bool:
        """Tell whether the newest snapshot of the directory holds licenses. Raises WarehouseUnavailableError."""
        ...


class NothingKnown:
    """A warehouse that is empty, or not there yet."""

    async def lookup(self, site: str, keys: Collection[str]) -> Mapping[str, Known]:
        """Return nothing."""
        del site, keys
        return {}

    async def nameless_deletions(self, site: str, issue_ids: Collection[int]) -> Sequence[Deletion]:
        """Return nothing."""
        del site, issue_ids
        return []

    async def has_licenses(self, site: str) -> bool:
        """Return that there are none."""
        del site
        return False


class WarehouseFacts:
    """Answers by queries.

    Args:
        warehouse: Open for reading, maybe through the SQL door of `up`.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    async def lookup(self, site: str, keys: Collection[str]) -> Mapping[str, Known]:
        """See `KnownFacts.lookup`."""
        found: dict[str, Known] = {}
        wanted = list(keys)
        for start in range(0, len(wanted), _BATCH):
            listed = _quoted(wanted[start : start + _BATCH])
            facts = await self._warehouse.query(
                # The keys are our own, of letters, digits and colons; as a parameter they would overflow the URL.
                "SELECT event_key, max(account_id != '') AS attributed, "  # noqa: S608 - constants
                "toUnixTimestamp64Milli(argMax(occurred_at, version)) AS at FROM activity "
                f"WHERE site = {{site:String}} AND event_key IN ({listed}) GROUP BY event_key",
                {"site": site},
            )
            sources = await self._warehouse.query(
                "SELECT event_key, max(webhook_received_at) IS NOT NULL AS webhook, "  # noqa: S608 - constants
                "max(rest_occurred_at) IS NOT NULL AS rest FROM activity_sources "
                f"WHERE site = {{site:String}} AND event_key IN ({listed}) GROUP BY event_key",
                {"site": site},
            )
            brought = {row["event_key"]: (bool(row["webhook"]), bool(row["rest"])) for row in sources}
            for row in facts:
                webhook, rest = brought.get(row["event_key"], (False, False))
                found[row["event_key"]] = Known(bool(row["attributed"]), webhook, rest, row["at"])
        return found

    async def nameless_deletions(self, site: str, issue_ids: Collection[int]) -> Sequence[Deletion]:
        """See `KnownFacts.nameless_deletions`."""
        if not issue_ids:
            return []
        rows = await self._warehouse.query(
            "SELECT event_key, max(activity.issue_id) AS issue, "  # noqa: S608 - whole numbers only
            "toUnixTimestamp64Milli(argMax(occurred_at, version)) AS at FROM activity "
            "WHERE site = {site:String} AND family = 'comment' AND action = 'deleted' "
            f"AND activity.issue_id IN ({','.join(map(str, map(int, issue_ids)))}) "
            "GROUP BY event_key HAVING max(account_id) = ''",
            {"site": site},
        )
        return [Deletion(row["event_key"], row["issue"], row["at"]) for row in rows]

    async def has_licenses(self, site: str) -> bool:
        """See `KnownFacts.has_licenses`."""
        rows = await self._warehouse.query(
            "SELECT argMax(licenses + seats, snapshot_id) AS held FROM directory_snapshots WHERE site = {site:String}",
            {"site": site},
        )
        return bool(rows and rows[0]["held"])


def _quoted(keys: Sequence[str]) -> str:
    if not all(key.replace(":", "").isalnum() and key.isascii() for key in keys):
        raise ValueError("an event key holds more than letters, digits and colons")
    return ",".join(f"'{key}'" for key in keys)
