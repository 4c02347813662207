"""Checks of this side: settings, event log, warehouse with tables and insert settings, zones, what `up` received."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from console.checks.file_modes import mode_findings
from console.checks.finding import Finding
from console.checks.time_zones import zone_findings
from console.dead_letter_queue import DeadLetterQueue
from console.engine.confinement import unconfined
from console.received import Received, ask_received
from console.sqldoor.allowlist import INTERNAL_TABLES
from consumers.writers import LogPositions
from rollcall.errors import RollcallError, SettingsError
from rollcall.eventlog import Position
from rollcall.runtime import WAREHOUSE_GROUP, Runtime, opened, opened_for_reading, opened_warehouse
from rollcall.settings import Settings
from rollcall.settings.parts import SHORTEST_SECRET
from rollcall.warehouse import Warehouse
from rollcall.warehouse.engines import Embedded, parse_warehouse_url
from rollcall.warehouse.schema_check import drift, verify_insert_settings


async def schema_finding(settings: Settings, warehouse: Warehouse) -> Finding:
    """Look at tables and views; through the SQL door of `up`, which checked them itself, at those it shows.

    Args:
        settings: The settings.
        warehouse: Open for reading, or to write, where this process holds the files: readers do not see every table.

    Raises:
        RollcallError: The warehouse cannot be queried.
    """
    through_the_door = isinstance(parse_warehouse_url(settings.warehouse_url), Embedded) and warehouse.holder is None
    differences = await drift(warehouse, unseen=INTERNAL_TABLES if through_the_door else ())
    if not differences:
        return Finding("schema", True, "tables and views are as the migrations made them")
    found = "; ".join(str(one) for one in differences)
    return Finding(
        "schema", False, found, "undo the change, or restore a backup; docs/clickhouse.md says what is allowed"
    )


async def insert_finding(settings: Settings) -> Finding | None:
    """Look at the settings of inserts on a server; None for the embedded engine, where nobody can forbid them.

    They belong to a connection that inserts, so this one opens its own.

    Raises:
        WarehouseUnavailableError: The server cannot be queried.
    """
    if isinstance(parse_warehouse_url(settings.warehouse_url), Embedded):
        return None
    async with opened_warehouse(settings, "rollcall check") as warehouse:
        try:
            await verify_insert_settings(warehouse)
        except SettingsError as error:
            return Finding("insert settings", False, str(error), "change the profile of the server's user")
    return Finding("insert settings", True, "the server inserts as consumers need it")


def confinement_finding(settings: Settings) -> Finding | None:
    """Say whether the kernel keeps the engine of `up` to its own files and ports; None where a server is the engine."""
    if not isinstance(parse_warehouse_url(settings.warehouse_url), Embedded):
        return None
    if lacking := unconfined():
        return Finding("engine", True, f"the kernel does not confine it: {lacking}; grants and the SQL door still do")
    return Finding("engine", True, "the kernel keeps it to its own files and ports")


async def provider_finding(settings: Settings) -> Finding | None:
    """Ask the provider that people sign in at what it can do; None where there is none."""
    if not settings.page.openid.issuer:
        return None
    from console.openid_connect import OpenIdConnect  # its library takes a quarter of a second to load

    provider = OpenIdConnect(settings.page)
    try:
        await provider.discover()
    except RollcallError as error:
        return Finding(
            "sign-in at a provider",
            False,
            str(error),
            "look at page.openid, and whether this machine reaches the provider",
        )
    return Finding("sign-in at a provider", True, f"people sign in at {provider.host}, which is as the settings say")


_BUILT = datetime(2026, 11, 1, tzinfo=UTC)
"""A clock before this release was made is wrong."""

_LAG_WORTH_A_LOOK = 100_000


async def local_findings(settings: Settings, config: Path | None = None) -> AsyncIterator[Finding]:
    """Look at everything that needs no Jira.

    Args:
        settings: The settings.
        config: The settings file that was named, None for the default one.
    """
    for finding in (*_settings(settings), *_readers(settings), *mode_findings(settings, config)):
        yield finding
    if provider := await provider_finding(settings):
        yield provider
    positions: dict[str, list[Position]] = {}
    try:
        async with opened(settings, "rollcall check") as runtime:
            await runtime.log.check()
            yield await _log(runtime)
            for topic in (runtime.topics.activity.name, runtime.topics.directory.name):
                positions[topic] = (await runtime.log.state(topic)).positions.get(WAREHOUSE_GROUP, [])
            for remark in runtime.log.remarks:
                yield Finding(f"topic {remark.topic}", not remark.remedy, remark.found, remark.remedy)
    except RollcallError as error:
        yield Finding("event log", False, str(error), _log_remedy(settings))
    async for finding in receiver_findings(settings):
        yield finding
    if confined := confinement_finding(settings):
        yield confined
    try:
        async with opened_for_reading(settings, "rollcall check") as warehouse:
            [facts] = await warehouse.query("SELECT count() AS days, max(day) AS last FROM user_days")
            inserts = await insert_finding(settings)
            held = warehouse.holder is not None  # by this process: then readers' rights are all it took
            schema = None if held else await schema_finding(settings, warehouse)
            [newest] = await warehouse.query("SELECT max(received_at) AS last FROM activity")
            zones = await zone_findings(settings, warehouse)
            belonging = await _belonging(warehouse, positions)
        if schema is None:
            async with opened_warehouse(settings, "rollcall check") as own:
                schema = await schema_finding(settings, own)
    except RollcallError as error:
        yield Finding("warehouse", False, str(error), _warehouse_remedy(error))
        yield _clock(None)
        return
    days, last = facts["days"], facts["last"]
    yield Finding("warehouse", True, f"answers; {days} user days" + (f", the last on {last}" if days else ""))
    if belonging:
        yield belonging
    yield schema
    if inserts:
        yield inserts
    for finding in zones:
        yield finding
    yield _clock(newest["last"])


async def _belonging(warehouse: Warehouse, positions: Mapping[str, Sequence[Position]]) -> Finding | None:
    """Hold the consumers' positions on the log against the warehouse; None where they have not committed any."""
    begun = {topic: some for topic, some in positions.items() if any(one.offset for one in some)}
    if not begun:
        return None
    wrong = [
        f"{topic}/{position.partition}: {reason}"
        for topic, some in begun.items()
        for position, reason in (await LogPositions(warehouse, topic).mismatch(some)).items()
    ]
    if not wrong:
        return Finding("positions", True, "the warehouse has what the consumers' positions on the log say")
    return Finding(
        "positions",
        False,
        f"the warehouse does not have what the consumers' positions on the log say: {'; '.join(wrong)}",
        "put the right warehouse back, or start `rollcall up` or `rollcall consume`: they read the log again from its "
        "beginning, and `rollcall reconcile` brings what the log no longer has",
    )


def _settings(settings: Settings) -> list[Finding]:
    findings = []
    for name, site in settings.sites.items():
        if site.signed_elsewhere:
            findings.append(Finding(f"site {name}", True, "another process takes its webhooks and has their secret"))
        elif not site.secrets():
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


def _readers(settings: Settings) -> list[Finding]:
    """Say what anybody on this machine can read."""
    findings = []
    if settings.page.unprotected:
        findings.append(
            Finding(
                "page",
                False,
                "is shown to everybody on this machine, and to whomever a proxy there lets in",
                "remove unprotected = true under [page]; `up` then prints an address to sign in by, or set "
                "page.password_file",
            )
        )
    if settings.sql_unprotected and settings.sql_listen:
        findings.append(
            Finding(
                "SQL door",
                False,
                "answers everybody on this machine, and whomever a proxy there lets in",
                "remove sql_unprotected = true; the token is then made at the next start, beside the warehouse",
            )
        )
    return findings


def _log_remedy(settings: Settings) -> str:
    if settings.log_url.startswith("kafka:"):
        return "check log_url, [kafka] in the settings and the brokers; see Kafka in docs/operations.md"
    return "check log_url, the disk's free space and who may write there"


def _warehouse_remedy(error: RollcallError) -> str:
    if isinstance(error, SettingsError):
        return "mend the setting, or install what it needs"
    return "check warehouse_url; `rollcall migrate` makes the tables"


async def _log(runtime: Runtime) -> Finding:
    state = await runtime.log.state(runtime.topics.activity.name)
    letters = await DeadLetterQueue(runtime).letters(payloads=False)
    lag = state.lag.get(WAREHOUSE_GROUP, state.records)
    found = f"takes records; {state.records} kept, {lag} not yet in the warehouse, {len(letters)} open dead letters"
    if lag > _LAG_WORTH_A_LOOK:
        return Finding("event log", False, found, "is a consumer running? `rollcall up` or `rollcall consume`")
    return Finding("event log", True, found)


def _clock(newest_record: datetime | None) -> Finding:
    now = datetime.now(UTC)
    shown = f"says {now:%Y-%m-%d %H:%M:%S} UTC"
    if now < _BUILT:
        return Finding("clock", False, f"{shown}, before this release was made", "set the clock; run an NTP service")
    if newest_record and newest_record > now + timedelta(minutes=1):
        return Finding("clock", False, f"{shown}, but there are records from later", "run an NTP service")
    return Finding("clock", True, shown)


_RECEIVED = "webhooks received"


async def receiver_findings(settings: Settings) -> AsyncIterator[Finding]:
    """Ask at `listen` what was taken and refused since the process began."""
    received = await ask_received(settings.listen, settings.metrics_secret())
    if received is None:
        yield Finding(
            _RECEIVED,
            True,
            f"no `up` or `ingest` answers at {settings.listen} (setting listen), so what it refused cannot be asked; "
            'its log has it as "webhook refused"',
        )
        return
    for refused in received.refused_lately(*settings.sites):
        to = f"to {refused.site}" if refused.site else "to no site of the settings"
        yield Finding(
            f"{_RECEIVED}: {refused.reason}",
            False,
            f"{refused.count} posts {to} were refused because {refused.meaning.cause}; the last one came at "
            f"{refused.last:%Y-%m-%d %H:%M:%S} UTC",
            refused.meaning.remedy,
        )
    for site in settings.sites:
        yield _last_received(received, site)


def _last_received(received: Received, site: str) -> Finding:
    subject = f"{site}: {_RECEIVED}"
    if site not in received.sites:
        return Finding(
            subject, False, "the running process does not know this site", "restart it: settings are read once"
        )
    last = received.last.get(site)
    if last is None:
        return Finding(subject, True, "none accepted since the process began")
    return Finding(subject, True, f"the last one was accepted at {last:%Y-%m-%d %H:%M:%S} UTC")
