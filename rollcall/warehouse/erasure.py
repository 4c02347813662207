"""Erasure: forgotten accounts out of every table, and the search that says whether somebody is still anywhere in them.

Rows are found by the salted hash, so that no statement, and no file that the engine keeps of one, holds an account's
id. The tables are those that have a column for it, whatever they are called: what a killed rebuild or import left is
among them.
"""

import asyncio
from collections.abc import Iterable, Mapping

import msgspec

from rollcall.errors import WarehouseUnavailableError
from rollcall.forgotten_accounts import ForgottenFile, forgotten_in, read_forgotten
from rollcall.logs import logger
from rollcall.settings import SeatsSettings, SiteSettings
from rollcall.warehouse.client import Warehouse
from rollcall.warehouse.rollups import refresh_site
from rollcall.warehouse.seats import record_seat_settings

log = logger(__name__)


async def remember_forgotten(warehouse: Warehouse, entries: Iterable[tuple[str, str]], *, erased: bool = False) -> None:
    """Have the warehouse keep accounts out, from the next batch on. Raises WarehouseUnavailableError.

    Args:
        warehouse: Where.
        entries: Pairs of salt and hash; those that it knows are noted anew.
        erased: Whether nothing of them is left in it.
    """
    lines = [msgspec.json.encode({"salt": salt, "hash": digest, "erased": erased}) for salt, digest in entries]
    if lines:
        await warehouse.insert_lines("forgotten_accounts", lines)


_HASHED = (
    "lower(hex(SHA256(concat(unhex('{salt}'), {value})))) "
    "IN (SELECT hash FROM forgotten_accounts WHERE salt = '{salt}')"
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
    known = await warehouse.query("SELECT salt, hash, erased FROM forgotten_accounts FINAL")
    if not known:
        return {}
    entries, salts = [(row["salt"], row["hash"]) for row in known], sorted({row["salt"] for row in known})
    is_noted = not all(row["erased"] for row in known)
    went: dict[str, int] = {}
    tables = {row["table"]: {name for name, _ in row["columns"]} for row in await warehouse.query(_MERGE_TREES)}
    # What knows somebody by the keys of their facts comes first, while the facts tell which those are.
    for table in sorted(tables, key=lambda name: "account_id" in tables[name]):
        for what, where in _changes(tables[table], salts):
            if rows := await _rows(warehouse, table, where):
                if not is_noted:  # whoever goes on after a kill has to compute the rollups, whatever is left to go
                    await remember_forgotten(warehouse, entries)
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
        await remember_forgotten(warehouse, entries, erased=True)
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

    The engine looks for them whenever a partition is dropped; there is none of that name.
    """
    left = (
        "SELECT count() AS parts FROM system.parts "
        "WHERE database = currentDatabase() AND table = {table:String} AND NOT active"
    )
    if not (await warehouse.query(left, {"table": table}))[0]["parts"]:
        return
    await warehouse.command(f"ALTER TABLE {table} MODIFY SETTING old_parts_lifetime = 0")
    try:
        for _ in range(100):
            await warehouse.command(f"ALTER TABLE {table} DROP PARTITION ID 'nothing'")
            if not (await warehouse.query(left, {"table": table}))[0]["parts"]:
                return
            await asyncio.sleep(0.1)  # a query may still read one
    finally:
        await warehouse.command(f"ALTER TABLE {table} RESET SETTING old_parts_lifetime")


async def erase_again(
    warehouse: Warehouse, file: ForgottenFile | None, sites: Mapping[str, SiteSettings], seats: SeatsSettings
) -> None:
    """Forget again whom a warehouse does not know to be forgotten, as one that was restored, and what was left to do.

    Raises:
        WarehouseUnavailableError: Not all is done; call it again.
    """
    await remember_forgotten(warehouse, read_forgotten(file).entries - (await forgotten_in(warehouse)).entries)
    if await warehouse.query("SELECT 1 FROM forgotten_accounts FINAL WHERE NOT erased LIMIT 1"):
        went = await erase_forgotten(warehouse, sites, seats)
        log.info("forgotten accounts erased", rows=sum(went.values()))


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
