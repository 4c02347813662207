"""Publishers put facts and directory rows on the event log in batches, and count what is new about them.

A fact is new when it is not among those in the warehouse.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple, Protocol

from reconcile.state.checkpoint import Found
from rollcall.errors import WarehouseUnavailableError
from rollcall.eventlog import Record
from rollcall.forgotten_accounts import ForgottenAccounts, KeptOut
from rollcall.identity import entity_id
from rollcall.logs import logger
from rollcall.records import KINDS, Activity, DaysRead, Directory, SnapshotComplete, encode
from rollcall.runtime import Runtime
from rollcall.warehouse import Warehouse

log = logger(__name__)

_KEYS_A_QUERY = 2000
"""Keys in one query: well below ClickHouse's max_query_size of 256 KiB."""


class ExistingFact(NamedTuple):
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
    """A comment's deletion that nobody is named for: ids of comment and issue, and the time (epoch ms)."""

    comment_id: int
    issue_id: int
    at: int


class KnownDirectory(NamedTuple):
    """What the reports now say of who there is.

    Attributes:
        users: How many accounts are listed.
        shares: By product, the holders as a share of the seats that Jira counted as used.
        as_of: When the snapshot of each part began, epoch ms; the parts are those of `SnapshotComplete.lacks`.
        lacking: By product, since when no snapshot has its licenses, epoch ms; only those that were lacking once.
        accounts: Who was listed as active, and who did something in the last 30 days and is not listed.
    """

    users: int = 0
    shares: Mapping[str, float] = {}
    as_of: Mapping[str, int] = {}
    lacking: Mapping[str, int] = {}
    accounts: Collection[str] = ()

    def age_of(self, part: str) -> int | None:
        """Return when a part was read, epoch ms; None when it never was."""
        kind, _, one = part.partition(":")
        if kind == "licenses" and one and one not in self.shares:
            return None
        return self.as_of.get(part, self.as_of.get(kind))


class KnownIssue(NamedTuple):
    """An issue that REST brought facts of: its id, and whether it is known to be deleted."""

    issue_id: int
    deleted: bool


class ExistingFacts(Protocol):
    """Answers from what is in the warehouse."""

    async def lookup(self, site: str, keys: Collection[str]) -> Mapping[str, ExistingFact]:
        """Return what is known of these facts; unknown ones are absent. Raises WarehouseUnavailableError."""
        ...

    async def nameless_deletions(self, site: str, issue_ids: Collection[int]) -> Sequence[Deletion]:
        """Return deletions of comments of these issues without an actor. Raises WarehouseUnavailableError."""
        ...

    async def issues(self, site: str, since: int, after: int, most: int) -> Sequence[KnownIssue]:
        """Return issues that REST brought facts of, in order of their ids. Raises WarehouseUnavailableError.

        Args:
            site: Name of the site in the settings.
            since: When the facts have to have happened, or later, epoch ms.
            after: Ids up to this are left out.
            most: How many at most.
        """
        ...

    async def newest(self, site: str) -> int:
        """Return when the latest act happened that REST knows of, epoch ms; 0 for none.

        Raises WarehouseUnavailableError.
        """
        ...

    async def directory(self, site: str) -> KnownDirectory:
        """Return what is known of who there is. Raises WarehouseUnavailableError."""
        ...


class NoExistingFacts:
    """A warehouse that is empty, or not there yet."""

    async def lookup(self, site: str, keys: Collection[str]) -> Mapping[str, ExistingFact]:
        """Return nothing."""
        del site, keys
        return {}

    async def nameless_deletions(self, site: str, issue_ids: Collection[int]) -> Sequence[Deletion]:
        """Return nothing."""
        del site, issue_ids
        return []

    async def issues(self, site: str, since: int, after: int, most: int) -> Sequence[KnownIssue]:
        """Return nothing."""
        del site, since, after, most
        return []

    async def newest(self, site: str) -> int:
        """Return nothing."""
        del site
        return 0

    async def directory(self, site: str) -> KnownDirectory:
        """Return nothing."""
        del site
        return KnownDirectory()


class WarehouseFacts:
    """Answers by queries.

    Args:
        warehouse: Open for reading, maybe through the SQL door of `up`.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    async def lookup(self, site: str, keys: Collection[str]) -> Mapping[str, ExistingFact]:
        """See `ExistingFacts.lookup`."""
        found: dict[str, ExistingFact] = {}
        ordered = list(keys)
        for start in range(0, len(ordered), _KEYS_A_QUERY):
            listed = _quoted(ordered[start : start + _KEYS_A_QUERY])
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
                found[row["event_key"]] = ExistingFact(bool(row["attributed"]), webhook, rest, row["at"])
        return found

    async def nameless_deletions(self, site: str, issue_ids: Collection[int]) -> Sequence[Deletion]:
        """See `ExistingFacts.nameless_deletions`."""
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
        return [Deletion(entity_id(row["event_key"]), row["issue"], row["at"]) for row in rows]

    async def issues(self, site: str, since: int, after: int, most: int) -> Sequence[KnownIssue]:
        """See `ExistingFacts.issues`."""
        rows = await self._warehouse.query(
            "SELECT activity.issue_id AS id, "
            "max(event_key = concat('issue:', toString(activity.issue_id), ':deleted')) AS deleted FROM activity "
            "WHERE site = {site:String} AND activity.issue_id > {after:UInt64} "
            "AND occurred_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') "
            "GROUP BY id HAVING max(source = 'reconcile') ORDER BY id LIMIT {most:UInt32}",
            {"site": site, "since": since, "after": after, "most": most},
        )
        return [KnownIssue(row["id"], bool(row["deleted"])) for row in rows]

    async def newest(self, site: str) -> int:
        """See `ExistingFacts.newest`."""
        [row] = await self._warehouse.query(
            "SELECT toUnixTimestamp64Milli(max(rest_occurred_at)) AS at FROM activity_sources "
            "WHERE site = {site:String}",
            {"site": site},
        )
        return max(0, row["at"] or 0)

    async def directory(self, site: str) -> KnownDirectory:
        """See `ExistingFacts.directory`."""
        parts = await self._warehouse.query(
            "SELECT part, toUnixTimestamp64Milli(snapshot_id) AS at FROM current_parts WHERE site = {site:String}",
            {"site": site},
        )
        [listed] = await self._warehouse.query(
            "SELECT count() AS users FROM accounts WHERE site = {site:String} AND status IN ('active', 'inactive')",
            {"site": site},
        )
        products = await self._warehouse.query(_SHARES, {"site": site})
        lacks = await self._warehouse.query(
            "SELECT substring(part, 10) AS product, toUnixTimestamp64Milli(snapshot_id) AS at "
            "FROM directory_snapshots ARRAY JOIN lacks AS part "
            "WHERE site = {site:String} AND startsWith(part, 'licenses:') ORDER BY at DESC",
            {"site": site},
        )
        accounts = await self._warehouse.query(_ACCOUNTS, {"site": site})
        as_of = {row["part"]: row["at"] for row in parts}
        return KnownDirectory(
            listed["users"],
            {row["product"]: row["share"] for row in products},
            as_of,
            {row["product"]: row["at"] for row in lacks if row["at"] > as_of.get(f"licenses:{row['product']}", 0)},
            {row["account_id"] for row in accounts},
        )


_ACCOUNTS = """
SELECT account_id FROM accounts
WHERE site = {site:String} AND (status = 'active' OR (status IN ('gone', 'unknown') AND account_id IN (
    SELECT account_id FROM user_days WHERE site = {site:String} AND day > today() - 30)))
"""


_SHARES = """
SELECT seats.product AS product, countIf(licenses.account_id != '') / greatest(any(seats.used), 1) AS share
FROM
(
    SELECT site, snapshot_id, toString(product) AS product, used
    FROM directory_seats FINAL
    WHERE site = {site:String} AND (snapshot_id, if(concat('licenses:', toString(product)) IN (
        SELECT part FROM current_parts WHERE site = {site:String}), concat('licenses:', toString(product)), 'licenses'))
        IN (SELECT snapshot_id, part FROM current_parts WHERE site = {site:String})
) AS seats
LEFT JOIN
(
    SELECT snapshot_id, product, account_id
    FROM directory_licenses FINAL
    WHERE site = {site:String} AND snapshot_id IN (SELECT snapshot_id FROM current_parts WHERE site = {site:String})
) AS licenses
    ON licenses.snapshot_id = seats.snapshot_id AND licenses.product = seats.product
GROUP BY product
"""


def _quoted(keys: Sequence[str]) -> str:
    if not all(key.replace(":", "").isalnum() and key.isascii() for key in keys):
        raise ValueError("an event key holds more than letters, digits and colons")
    return ",".join(f"'{key}'" for key in keys)


_FACTS_A_BATCH = 2000
"""Facts on the way at once: memory stays bounded, and a commit of the log is worth its fsync."""


class FactPublisher:
    """Facts on their way to the log.

    Args:
        runtime: Whose log they go to; None for a dry run, which only counts.
        site: Name of the site in the settings.
        existing: What the warehouse knows; queried before a batch is appended. None when it cannot be queried.
        found: The counts.
        zone: The site's reporting time zone, for counts by day.
        listed: Ids of the accounts that the list of users names; None where that is not known.
        kept_out: Says whose facts are passed over; None for nobody's.
    """

    def __init__(
        self,
        runtime: Runtime | None,
        site: str,
        existing: ExistingFacts | None,
        found: Found,
        zone: tzinfo = UTC,
        listed: Set[str] | None = None,
        kept_out: KeptOut | None = None,
    ) -> None:
        self.found = found
        self.existing = existing
        self._listed = listed
        self._runtime = runtime
        self._site = site
        self._zone = zone
        self._kept_out = kept_out
        self._waiting: dict[str, Activity] = {}

    async def add(self, facts: Iterable[Activity]) -> None:
        """Take facts; when the batch is full it goes out. Raises LogUnavailableError."""
        for fact in facts:
            earlier = self._waiting.get(fact.event_key)
            if earlier is None or fact.account_id or not earlier.account_id:
                self._waiting[fact.event_key] = fact
            if len(self._waiting) >= _FACTS_A_BATCH:
                await self.flush()

    async def flush(self) -> None:
        """Append what waits; when this returns it is durable. Raises LogUnavailableError."""
        if not self._waiting:
            return
        forgotten = await _forgotten(self._kept_out)
        facts = [fact for fact in self._waiting.values() if not forgotten.has_act(fact)]
        self._waiting = {}
        if self._listed is not None:
            strangers = {fact.account_id for fact in facts if fact.account_id}.difference(self._listed)
            self.found.strangers += sorted(strangers.difference(self.found.strangers))
        known = await self._lookup([fact.event_key for fact in facts])
        if self._runtime and facts:
            records = [Record(encode(fact), fact.event_key.encode()) for fact in facts]
            await self._runtime.log.append(self._runtime.topics.activity.name, records)
        for fact in facts:
            self._count(fact, known)

    async def _lookup(self, keys: list[str]) -> dict[str, ExistingFact] | None:
        if self.existing is None:
            return None
        try:
            return dict(await self.existing.lookup(self._site, keys))
        except WarehouseUnavailableError as error:
            log.warning("the warehouse cannot be compared with", site=self._site, cause=str(error))
            self.existing = None
            return None

    def _count(self, fact: Activity, known: dict[str, ExistingFact] | None) -> None:
        found, kind = self.found, f"{fact.family} {fact.action}"
        found.facts[kind] += 1
        if known is None:
            found.unjudged += 1
            return
        before = known.get(fact.event_key)
        day = f"{datetime.fromtimestamp(fact.occurred_at / 1000, self._zone):%Y-%m-%d}"
        found.judged_days[day] += 1
        found.webhook_days[day] += before is not None and before.webhook
        if before is None:
            found.new[kind] += 1
            found.new_days[day] += 1
        elif fact.account_id and not before.attributed:
            found.named += 1
        elif not before.rest and before.occurred_at != fact.occurred_at:
            found.retimed += 1


async def _forgotten(kept_out: KeptOut | None) -> ForgottenAccounts:
    """Return whom to keep off the log; where the warehouse does not say, consumers still keep them out of it."""
    try:
        return (await kept_out.now()).asked if kept_out else ForgottenAccounts()
    except WarehouseUnavailableError as error:
        log.warning("whom to keep off the log is not known now", cause=str(error))
        return ForgottenAccounts()


_ROWS_A_BATCH = 2000


class DirectoryPublisher:
    """Rows of one snapshot on their way to the log.

    Args:
        runtime: Whose log they go to; None for a dry run, which only counts.
        found: The counts, also of rows that are passed over.
        kept_out: Says whose rows are passed over; None for nobody's.
    """

    def __init__(self, runtime: Runtime | None, found: Found, kept_out: KeptOut | None = None) -> None:
        self._runtime = runtime
        self._kept_out = kept_out
        self._found = found
        self._waiting: list[Directory] = []

    async def add(self, rows: Iterable[Directory]) -> None:
        """Take rows; when the batch is full it goes out. Raises LogUnavailableError."""
        for row in rows:
            self._waiting.append(row)
            self._found.rows[KINDS[type(row)]] += 1
            if len(self._waiting) >= _ROWS_A_BATCH:
                await self.flush()

    async def complete(self, last: SnapshotComplete) -> None:
        """Make all rows durable, and after them the row that lets readers see the snapshot."""
        await self.flush()
        await self._append([last])

    async def tell(self, read: DaysRead) -> None:
        """Make durable from when on the site's days are read. Raises LogUnavailableError."""
        await self._append([read])

    async def flush(self) -> None:
        """Append what waits. Raises LogUnavailableError."""
        rows, self._waiting = self._waiting, []
        await self._append(rows)

    async def _append(self, rows: list[Directory]) -> None:
        if rows and self._runtime:
            forgotten = await _forgotten(self._kept_out)
            # One key, so that a log with partitions keeps a snapshot in order.
            kept = [forgotten.without(row) for row in rows]
            records = [Record(encode(row), row.site.encode()) for row in kept if row]
            if records:
                await self._runtime.log.append(self._runtime.topics.directory.name, records)
