"""Erasure: forgotten accounts out of every table, and the search that says whether somebody is still anywhere in them.

Rows are found by the salted hash, so that no statement, and no file that the engine keeps of one, holds an account's
id. The tables are those that have a column for it, whatever they are called: what a killed rebuild or import left is
among them.
"""

import asyncio
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from rollcall.errors import WarehouseUnavailableError
from rollcall.forgotten_accounts import ForgottenAccounts, ForgottenFile, forgotten_in, read_forgotten
from rollcall.logs import logger
from rollcall.settings import PrivacySettings, SeatsSettings, SiteSettings
from rollcall.warehouse.client import Warehouse
from rollcall.warehouse.rollups import refresh_site
from rollcall.warehouse.seats import record_seat_settings

log = logger(__name__)

Cause = Literal["asked", "closed", "back"]
"""Why an account is kept out, or no longer, see ``schema/0006_forgotten_accounts.sql``."""


async def remember_forgotten(warehouse: Warehouse, entries: Iterable[tuple[str, str]], cause: Cause = "asked") -> None:
    """Have the warehouse keep accounts out, or let them in again, from the next batch on.

    Args:
        warehouse: Where.
        entries: Pairs of salt and hash; those that it knows are noted anew.
        cause: Why.

    Raises:
        WarehouseUnavailableError: Not done; call it again.
    """
    lines = [msgspec.json.encode({"salt": salt, "hash": digest, "cause": cause}) for salt, digest in entries]
    if lines:
        await warehouse.insert_lines("forgotten_accounts", lines)


_HASHED = (
    "lower(hex(SHA256(concat(unhex('{salt}'), {value})))) "
    "IN (SELECT hash FROM forgotten_accounts FINAL WHERE salt = '{salt}' AND cause != 'back')"
)
_NOTED = (
    "INSERT INTO forgotten_accounts (salt, hash, cause, erased) "
    "SELECT salt, hash, cause, {erased} FROM forgotten_accounts FINAL WHERE cause != 'back'"
)
_OF_KEY = "extract(event_key, '^issue:[0-9]+:updated:[0-9]+:(.+)$')"
"""The account in the key of a change that came without a changelog, see `rollcall.identity`; empty in all others."""

_SYNCED = "SETTINGS mutations_sync = 2, allow_nondeterministic_mutations = 1"
_MERGE_TREES = """
SELECT table, groupArray((name, type)) AS columns FROM system.columns
WHERE database = currentDatabase() AND table IN
    (SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree')
GROUP BY table ORDER BY table
"""


_REPLACED = """
SELECT
    (SELECT count() FROM system.parts
        WHERE database = currentDatabase() AND table = {table:String} AND NOT active) AS parts,
    (SELECT position(engine_full, 'old_parts_lifetime') > 0 FROM system.tables
        WHERE database = currentDatabase() AND name = {table:String}) AS is_set
"""


async def erase_forgotten(
    warehouse: Warehouse, sites: Mapping[str, SiteSettings], seats: SeatsSettings
) -> dict[str, int]:
    """Take whoever is forgotten out of every table, and compute the rollups again that hung on them.

    Killed at any moment, the next call does what is left. Without anybody to take out it only looks.

    Args:
        warehouse: Where.
        sites: The settings' sites, for the exemptions of seats.
        seats: The settings of seats.

    Returns:
        How many rows went, by table.

    Raises:
        WarehouseUnavailableError: Not all is done; call it again.
    """
    known = await warehouse.query("SELECT salt, erased FROM forgotten_accounts FINAL WHERE cause != 'back'")
    if not known:
        return {}
    salts = sorted({row["salt"] for row in known})
    is_noted = not all(row["erased"] for row in known)
    went: dict[str, int] = {}
    tables = {row["table"]: {name for name, _ in row["columns"]} for row in await warehouse.query(_MERGE_TREES)}
    # What knows somebody by the keys of their facts comes first, while the facts tell which those are.
    for table in sorted(tables, key=lambda name: "account_id" in tables[name]):
        for what, where in _changes(tables[table], salts):
            if rows := await _rows(warehouse, table, where):
                if not is_noted:  # whoever goes on after a kill has to compute the rollups, whatever is left to go
                    await warehouse.command(_NOTED.format(erased="false"))
                    is_noted = True
                went[table] = went.get(table, 0) + rows
                await warehouse.command(f"ALTER TABLE {table} {what} WHERE {where} {_SYNCED}")
    if is_noted:
        await record_seat_settings(warehouse, sites, seats)
        for row in await warehouse.query("SELECT DISTINCT site FROM sites"):
            await refresh_site(warehouse, row["site"])
    if warehouse.holder:
        for table, columns in tables.items():
            if columns & {"account_id", "event_key", "reads_as", "exemptions"}:
                await _purge(warehouse, table)
    if is_noted:
        await warehouse.command(_NOTED.format(erased="true"))
    return went


def _changes(columns: set[str], salts: list[str]) -> list[tuple[str, str]]:
    """Return what to do to a table with these columns, each with the condition of the rows."""

    def hashed(value: str) -> str:
        return "(" + " OR ".join(_HASHED.format(salt=salt, value=value) for salt in salts) + ")"

    changes = []
    if "account_id" in columns:
        changes.append(("DELETE", hashed("account_id")))
    elif "event_key" in columns:
        facts = f"SELECT site, event_key FROM activity WHERE {hashed('account_id')}"  # noqa: S608 - hex digits
        changes.append(("DELETE", f"(site, event_key) IN ({facts})"))
    if "event_key" in columns:
        changes.append(("DELETE", hashed(_OF_KEY)))
    if "reads_as" in columns:
        changes.append(("UPDATE reads_as = ''", hashed("reads_as")))
    if "exemptions" in columns:
        changes.append(("DELETE", f"arrayExists(one -> {hashed('one.2')}, exemptions)"))
    return changes


async def _rows(warehouse: Warehouse, table: str, where: str) -> int:
    if waiting := warehouse.cluster.caught_up(table):
        await warehouse.command(waiting)
    [row] = await warehouse.query(f"SELECT count() AS rows FROM {table} WHERE {where}")  # noqa: S608 - our own names
    return int(row["rows"])


async def _purge(warehouse: Warehouse, table: str) -> None:
    """Remove the files of parts that others have replaced now, and not some minutes later.

    The engine keeps them for a power cut, as it does not sync what it writes anew. So that is done here: before, and
    for what is merged just then once more at the end. It looks for them whenever a partition is dropped; there is
    none of that name.
    """
    [left] = await warehouse.query(_REPLACED, {"table": table})
    if not left["parts"]:
        if left["is_set"]:  # by one that was killed
            await warehouse.command(f"ALTER TABLE {table} RESET SETTING old_parts_lifetime")
        return
    try:
        await asyncio.to_thread(os.sync)
        await warehouse.command(f"ALTER TABLE {table} MODIFY SETTING old_parts_lifetime = 0")
        for _ in range(100):
            await warehouse.command(f"ALTER TABLE {table} DROP PARTITION ID 'nothing'")
            if not (await warehouse.query(_REPLACED, {"table": table}))[0]["parts"]:
                return
            await asyncio.sleep(0.1)  # a query may still read one
    finally:
        await asyncio.to_thread(os.sync)
        await warehouse.command(f"ALTER TABLE {table} RESET SETTING old_parts_lifetime")


async def erase_again(
    warehouse: Warehouse, file: ForgottenFile | None, sites: Mapping[str, SiteSettings], seats: SeatsSettings
) -> None:
    """Forget again whom a warehouse does not know to be forgotten, as one that was restored, and what was left to do.

    Raises:
        WarehouseUnavailableError: Not all is done; call it again.
    """
    await remember_forgotten(warehouse, read_forgotten(file).entries - (await forgotten_in(warehouse)).asked.entries)
    if await warehouse.query("SELECT 1 FROM forgotten_accounts FINAL WHERE NOT erased AND cause != 'back' LIMIT 1"):
        went = await erase_forgotten(warehouse, sites, seats)
        log.info("forgotten accounts erased", rows=sum(went.values()))


_CLOSED = """
WITH whole AS
(
    SELECT site, arraySort(groupUniqArray(snapshots.snapshot_id)) AS ids
    FROM directory_snapshots AS snapshots WHERE NOT has(snapshots.lacks, 'users') GROUP BY site
)
SELECT account_id
FROM
(
    SELECT
        users.site AS site, users.account_id AS account_id, any(whole.ids) AS ids,
        maxIf(users.snapshot_id, users.active) AS last_active,
        -- Of one that never was active: when it was first seen.
        if(countIf(users.active) = 0, min(users.snapshot_id), arrayFirst(one -> one > last_active, ids)) AS closed_at
    FROM directory_users AS users INNER JOIN whole ON whole.site = users.site
    WHERE has(whole.ids, users.snapshot_id)
    GROUP BY site, account_id
)
GROUP BY account_id
-- On every site, by snapshots alone: where none was taken, nobody's time passes.
HAVING min(closed_at > toDateTime64(0, 3, 'UTC') AND ids[-1] >= closed_at + toIntervalSecond({seconds:UInt32})) = 1
"""


async def forget_closed(
    warehouse: Warehouse, days: float, sites: Mapping[str, SiteSettings], seats: SeatsSettings
) -> int:
    """Erase accounts that the directory has had closed for some days, and keep them out until it has them active again.

    Closed is inactive, or not listed any more, on every site.

    Args:
        warehouse: Where.
        days: How many; 0 for never.
        sites: The settings' sites.
        seats: The settings of seats.

    Returns:
        How many accounts.

    Raises:
        WarehouseUnavailableError: Not all is done; call it again.
    """
    if not days:
        return 0
    known = await forgotten_in(warehouse)
    rows = await warehouse.query(_CLOSED, {"seconds": round(days * 86_400)})
    entries: set[tuple[str, str]] = set()
    for row in rows:
        entries.add((known | ForgottenAccounts(entries)).entry_for(row["account_id"]))
    await remember_forgotten(warehouse, entries, "closed")
    if entries:
        await erase_forgotten(warehouse, sites, seats)
    return len(entries)


_BY_SNAPSHOT = ("users", "licenses", "grants", "roles", "seats")
"""Kinds whose rows go with their snapshot. Seats hold no names, but a snapshot with seats and no licenses would say
that nobody held one. When people looked, and joined, is the newest word on them, whatever its age."""


async def remove_snapshots(warehouse: Warehouse, days: float) -> int:
    """Remove the rows of directories that were read so many days ago, but for those that reports still read.

    Args:
        warehouse: Where.
        days: How many; 0 for never.

    Returns:
        How many rows.

    Raises:
        WarehouseUnavailableError: Not all is done; call it again.
    """
    if not days:
        return 0
    current = await warehouse.query("SELECT DISTINCT toString(snapshot_id) AS at FROM current_parts")
    needed = ", ".join(f"toDateTime64('{row['at']}', 3, 'UTC')" for row in current)
    before = datetime.now(UTC) - timedelta(days=days)
    where = f"snapshot_id < toDateTime64('{before:%Y-%m-%d %H:%M:%S}', 3, 'UTC')"
    where += f" AND snapshot_id NOT IN ({needed})" if needed else ""
    went = 0
    for kind in _BY_SNAPSHOT:
        if rows := await _rows(warehouse, f"directory_{kind}", where):
            went += rows
            await warehouse.command(f"ALTER TABLE directory_{kind} DELETE WHERE {where} {_SYNCED}")
    return went


async def forget_by_age(
    warehouse: Warehouse, privacy: PrivacySettings, sites: Mapping[str, SiteSettings], seats: SeatsSettings
) -> None:
    """Do at the end of a run what the settings want forgotten without being asked.

    Raises:
        WarehouseUnavailableError: Not all is done; call it again.
    """
    accounts = await forget_closed(warehouse, privacy.closed_days, sites, seats)
    rows = await remove_snapshots(warehouse, privacy.snapshot_days)
    if accounts or rows:
        log.info("forgotten by age", closed_accounts=accounts, rows_of_snapshots=rows)


async def search(warehouse: Warehouse, account_id: str) -> dict[str, int]:
    """Return in how many rows an account's id stands, by table and column, in every column that may hold text.

    Args:
        warehouse: Where.
        account_id: The id; longer words that hold it do not count.

    Raises:
        WarehouseUnavailableError: Not all was searched.
    """
    found: dict[str, int] = {}
    around = "[^0-9A-Za-z_-]"
    word = f"concat('(^|{around})', regexpQuoteMeta({{id:String}}), '($|{around})')"
    for row in await warehouse.query(_MERGE_TREES):
        columns = [name for name, kind in row["columns"] if "String" in kind]
        if not columns:
            continue
        counts = ", ".join(f"countIf(match(toString(`{name}`), {word})) AS `{name}`" for name in columns)
        sql = f"SELECT {counts} FROM (SELECT {', '.join(f'`{name}`' for name in columns)} FROM {row['table']})"  # noqa: S608 - our own names
        try:
            # The server's own log of queries is not to hold the id.
            [counted] = await warehouse.query(sql + " SETTINGS log_queries = 0", {"id": account_id})
        except WarehouseUnavailableError as error:
            if "UNKNOWN_TABLE" in str(error) or "does not exist" in str(error):  # a staging table that has gone
                continue
            raise
        found |= {f"{row['table']}.{name}": int(count) for name, count in counted.items() if count}
    return found
