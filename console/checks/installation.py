"""Checks of what is on this side: settings, event log, warehouse with its tables and insert settings, clock."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from console.checks.finding import Finding
from console.sqldoor.allowlist import INTERNAL_TABLES
from rollcall.errors import RollcallError, SettingsError
from rollcall.eventlog import EventLog
from rollcall.runtime import open_for_reading, opened_log, opened_warehouse
from rollcall.settings import Settings
from rollcall.topics import WAREHOUSE_GROUP, topics_of
from rollcall.warehouse import Row
from rollcall.warehouse.engines import Embedded, parse_warehouse_url
from rollcall.warehouse.lock import read_holding
from rollcall.warehouse.schema_check import drift, verify_insert_settings


async def schema_finding(settings: Settings) -> Finding:
    """Look at tables and views; through the SQL door of `up`, which checked them itself, at those it shows.

    Raises:
        RollcallError: The warehouse cannot be asked.
    """
    address = parse_warehouse_url(settings.warehouse_url)
    through_the_door = isinstance(address, Embedded) and read_holding(address.lock_path) is not None
    warehouse = await open_for_reading(settings, "rollcall check")
    try:
        differences = await drift(warehouse, unseen=INTERNAL_TABLES if through_the_door else ())
    finally:
        await warehouse.close()
    if not differences:
        return Finding("schema", True, "tables and views are as the migrations made them")
    found = "; ".join(str(one) for one in differences)
    return Finding(
        "schema", False, found, "undo the change, or restore a backup; docs/clickhouse.md tells what is allowed"
    )


async def insert_finding(settings: Settings) -> Finding | None:
    """Look at the settings of inserts on a server; None for the embedded engine, where nobody can forbid them.

    Raises:
        WarehouseUnavailableError: The server cannot be asked.
    """
    if isinstance(parse_warehouse_url(settings.warehouse_url), Embedded):
        return None
    async with opened_warehouse(settings, "rollcall check") as warehouse:
        try:
            await verify_insert_settings(warehouse)
        except SettingsError as error:
            return Finding("insert settings", False, str(error), "change the profile of the server's user")
    return Finding("insert settings", True, "the server inserts as consumers need it")


SHORTEST_SECRET = 16
"""Characters below which a webhook secret can be guessed from one captured delivery."""

_BUILT = datetime(2026, 11, 1, tzinfo=UTC)
"""A clock before this release was made is wrong."""

_LAG_WORTH_A_LOOK = 100_000


async def local_findings(settings: Settings) -> AsyncIterator[Finding]:
    """Look at everything that needs no Jira."""
    for finding in _settings(settings):
        yield finding
    try:
        async with opened_log(settings) as event_log:
            await event_log.check()
            yield await _log(settings, event_log)
            for remark in event_log.remarks:
                yield Finding(f"topic {remark.topic}", not remark.remedy, remark.found, remark.remedy)
    except RollcallError as error:
        yield Finding("event log", False, str(error), _log_remedy(settings))
    try:
        rows = await _ask(settings, "SELECT count() AS days, max(day) AS last FROM user_days")
        schema, inserts = await schema_finding(settings), await insert_finding(settings)
        received = (await _ask(settings, "SELECT max(received_at) AS last FROM activity"))[0]["last"]
    except RollcallError as error:
        yield Finding("warehouse", False, str(error), _warehouse_remedy(error))
        yield _clock(None)
        return
    days, last = rows[0]["days"], rows[0]["last"]
    yield Finding("warehouse", True, f"answers; {days} user days" + (f", the last on {last}" if days else ""))
    yield schema
    if inserts:
        yield inserts
    yield _clock(received)


def _settings(settings: Settings) -> list[Finding]:
    findings = []
    for name, site in settings.sites.items():
        if not site.secrets():
            findings.append(
                Finding(
                    f"site {name}",
                    False,
                    "accepts webhooks that nobody signed",
                    "set a secret at the webhook in Jira and as webhook_secrets, and remove unsigned = true",
                )
            )
        elif any(len(secret) < SHORTEST_SECRET for secret in site.secrets()):
            findings.append(
                Finding(
                    f"site {name}",
                    False,
                    f"has a webhook secret shorter than {SHORTEST_SECRET} characters",
                    "make one with `openssl rand -hex 32`, set it in Jira, and keep the old one beside it for a day",
                )
            )
        else:
            zone = datetime.now(ZoneInfo(site.timezone))
            findings.append(
                Finding(f"site {name}", True, f"signed webhooks; reporting day {zone:%Y-%m-%d} ({zone:%Z})")
            )
    if not settings.sites:
        findings.append(Finding("sites", False, "there is none in the settings", "add [sites.NAME] to rollcall.toml"))
    return findings


def _log_remedy(settings: Settings) -> str:
    if settings.log_url.startswith("kafka:"):
        return "check log_url, [kafka] in the settings and the brokers; see Kafka in docs/operations.md"
    return "check log_url, the disk's free space and who may write there"


def _warehouse_remedy(error: RollcallError) -> str:
    if isinstance(error, SettingsError):
        return "mend the setting, or install what it needs"
    return "check warehouse_url; `rollcall migrate` makes the tables"


async def _log(settings: Settings, event_log: EventLog) -> Finding:
    topics = topics_of(settings)
    state = await event_log.state(topics.activity.name)
    letters = await event_log.state(topics.deadletter.name)
    lag = state.lag.get(WAREHOUSE_GROUP, state.records)
    found = (
        f"takes records; {state.records} kept, {lag} not yet in the warehouse, {letters.records} dead-letter records"
    )
    if lag > _LAG_WORTH_A_LOOK:
        return Finding("event log", False, found, "is a consumer running? `rollcall up` or `rollcall consume`")
    return Finding("event log", True, found)


async def _ask(settings: Settings, sql: str) -> list[Row]:
    warehouse = await open_for_reading(settings, "rollcall check")
    try:
        return await warehouse.query(sql)
    finally:
        await warehouse.close()


def _clock(newest_record: datetime | None) -> Finding:
    now = datetime.now(UTC)
    shown = f"says {now:%Y-%m-%d %H:%M:%S} UTC"
    if now < _BUILT:
        return Finding("clock", False, f"{shown}, before this release was made", "set the clock; run an NTP service")
    if newest_record and newest_record > now + timedelta(minutes=1):
        return Finding("clock", False, f"{shown}, but there are records from later", "run an NTP service")
    return Finding("clock", True, shown)
