"""How the pipeline of a site does, from webhook to verdict: what came, what is missing, and how old each source is.

Nothing here is calmer than it is: what is not known says so, and each trouble is a line of its own at the top.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from console.dead_letter_queue import DeadLetterQueue
from console.received import Received, Refused
from console.web.overview import CHART_DAYS, PipelineState
from ingest.refusals import UNKNOWN_SITE
from reconcile.schedule import last_due
from reconcile.state.checkpoint import Checkpoint, CheckpointError, LastRun, read_checkpoint, read_last_run
from reconcile.state.run_state import state_folder
from rollcall.records import DeadLetter
from rollcall.runtime import StoredRuntime
from rollcall.settings import Settings
from rollcall.warehouse import Row

_COVERAGE = """
WITH (SELECT any(today) FROM site_days WHERE site = {site:String}) AS today
SELECT day, known, by_webhook, share FROM webhook_coverage_daily
WHERE site = {site:String} AND today - day < {days:UInt32} AND day <= today
ORDER BY day DESC
"""
_SNAPSHOTS = """
SELECT snapshot_id AS began, completed_at AS ended, arraySort(lacks) AS lacks FROM directory_snapshots FINAL
WHERE site = {site:String} ORDER BY began DESC LIMIT 5
"""
_PARTS = """
SELECT part, at FROM
(
    SELECT toString(part) AS part, snapshot_id AS at FROM current_parts WHERE site = {site:String}
    UNION ALL
    SELECT 'looked' AS part, max(looked.as_of) AS at FROM directory_looked AS looked
    WHERE site = {site:String}
    HAVING count() > 0
)
ORDER BY at, part
"""

_RUN_TOO_OLD = timedelta(days=2)
_LOOKS_TOO_OLD = timedelta(days=3)
"""Then verdicts take them for not known."""


@dataclass(frozen=True, slots=True)
class Letters:
    """The open dead letters of one reason."""

    reason: str
    origin: str
    count: int
    newest: datetime


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of a site, as far as this machine knows them.

    Attributes:
        known: Whether there is a folder here that remembers them.
        last: The last whole day's run.
        interrupted: The run that was begun and has not ended.
        trouble: Why that cannot be said.
        next_at: When the next one falls due; None where none does.
    """

    known: bool = False
    last: LastRun | None = None
    interrupted: Checkpoint | None = None
    trouble: str = ""
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """How the pipeline of a site does.

    Attributes:
        state: Log and consumers.
        last_webhook: When the last one came that is known.
        refused: Posts that were refused since the process that takes them began, by reason.
        coverage: By day, the newest first: facts that Jira knows, and how many of them webhooks had brought.
        line: Share of them below which something is wrong.
        letters: Open dead letters by reason.
        snapshots: The last readings of the directory, the newest first, with what each lacks.
        parts: Each part of the directory with the time it is of, the oldest first.
        runs: The runs.
        asks_who_looked: Whether the settings name an organization.
        now: When this was put together.
    """

    state: PipelineState
    last_webhook: datetime | None
    refused: Sequence[Refused]
    coverage: Sequence[Row]
    line: float
    letters: Sequence[Letters]
    snapshots: Sequence[Row]
    parts: Sequence[Row]
    runs: Runs
    asks_who_looked: bool
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def share(self) -> float | None:
        """Of what Jira knows of all these days, how much webhooks had brought; None where nothing was compared."""
        known = sum(row["known"] for row in self.coverage)
        return sum(row["by_webhook"] for row in self.coverage) / known if known else None

    @property
    def troubles(self) -> list[str]:
        """What is not as it should be, a sentence each."""
        found = [one for one in (self.state.log_trouble, self.state.consumer_trouble, self.runs.trouble) if one]
        if self.share is not None and self.share < self.line:
            found.append(
                f"Webhooks brought {percent(self.share)} of what Jira knows of these days, below the line of "
                f"{percent(self.line)}"
            )
        if self.letters:
            found.append(f"{_counted(sum(one.count for one in self.letters), 'dead letter')} open")
        lately = [one for one in self.refused if one.last > self.now - timedelta(days=1)]
        if lately:
            found.append(f"{_counted(sum(one.count for one in lately), 'post')} refused, the last one within a day")
        if self.runs.last and self.runs.last.missing:
            found.append("The last run could not read everything")
        if self.runs.last and self.now - moment_of(self.runs.last.began) > _RUN_TOO_OLD:
            found.append("The last whole run is more than two days old")
        if self.snapshots and self.snapshots[0]["lacks"]:
            found.append("The last reading of the directory lacks parts, which are older")
        looked = next((row["at"] for row in self.parts if row["part"] == "looked"), None)
        if self.asks_who_looked and (looked is None or self.now - looked > _LOOKS_TOO_OLD):
            found.append("Who looked is not known, or was last told more than three days ago")
        return found

    @property
    def unknowns(self) -> list[str]:
        """What cannot be said to be as it should be, a few words each."""
        found = ["any webhook"] if self.last_webhook is None else []
        if self.share is None:
            found.append("how much webhooks bring")
        if self.runs.last is None:
            found.append("when Jira was last read whole")
        if not self.asks_who_looked:
            found.append("who looked")
        return found


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def percent(share: float) -> str:
    """Write a share in percent, never larger than it is."""
    return f"{int(1000 * share + 1e-9) / 10:g} %"


def moment_of(ms: int) -> datetime:
    """Return the moment of epoch milliseconds."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def refused_of(received: Received, site: str) -> list[Refused]:
    """Return what was refused of posts to a site or to none, the latest first."""
    return [one for one in received.refused if one.site in (UNKNOWN_SITE, site)]


async def read_letters(queue: DeadLetterQueue, site: str) -> list[Letters]:
    """Count the open dead letters of a site, or of none, by reason. Raises LogUnavailableError."""
    by_reason: dict[tuple[str, str], list[DeadLetter]] = {}
    for letter in (await queue.letters(payloads=False)).values():
        if letter.site in (UNKNOWN_SITE, site):
            by_reason.setdefault((letter.reason, letter.origin), []).append(letter)
    found = [
        Letters(reason, origin, len(some), moment_of(max(one.received_at for one in some)))
        for (reason, origin), some in by_reason.items()
    ]
    return sorted(found, key=lambda one: one.newest, reverse=True)


def read_runs(settings: Settings, site: str) -> Runs:
    """Read what this machine remembers of a site's runs; may block for as long as a small file takes."""
    folder = state_folder(settings)
    next_at = next_run(settings, site, datetime.now(UTC))
    if folder is None or not folder.is_dir():
        return Runs(next_at=next_at)
    try:
        left = read_checkpoint(folder / f"{site}.json")
    except CheckpointError as error:
        return Runs(True, read_last_run(folder, site), trouble=str(error), next_at=next_at)
    return Runs(True, read_last_run(folder, site), left, next_at=next_at)


def next_run(settings: Settings, site: str, now: datetime) -> datetime | None:
    """Return when a site's next daily run falls due; None where the settings have none."""
    at = settings.reconcile.daily_at
    if not at or not settings.sites[site].names_token:
        return None
    zone = ZoneInfo(settings.reconcile.daily_timezone or settings.sites[site].timezone)
    for days in (1, 2):
        due = last_due(now + timedelta(days=days), at, zone)
        if due > now:
            return due
    return None


async def read_health(
    runtime: StoredRuntime, site: str, state: PipelineState, received: Received, last_webhook: datetime | None
) -> Health:
    """Put together how the pipeline of a site does.

    Args:
        runtime: Log, warehouse and settings.
        site: Name of the site.
        state: How log and consumers stand.
        received: What was taken and refused.
        last_webhook: When the last one came that is known.

    Raises:
        WarehouseUnavailableError, LogUnavailableError: Either cannot be read.
    """
    query, of_site = runtime.warehouse.query, {"site": site}
    coverage = await query(_COVERAGE, {**of_site, "days": CHART_DAYS})
    snapshots, parts = await query(_SNAPSHOTS, of_site), await query(_PARTS, of_site)
    return Health(
        state=state,
        last_webhook=last_webhook,
        refused=refused_of(received, site),
        coverage=coverage,
        line=runtime.settings.seats.coverage_line,
        letters=await read_letters(DeadLetterQueue(runtime), site),
        snapshots=snapshots,
        parts=parts,
        runs=await asyncio.to_thread(read_runs, runtime.settings, site),
        asks_who_looked=bool(runtime.settings.organization.id),
    )
