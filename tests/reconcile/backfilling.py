"""Run the reconciler against a site, onto a real SQLite log, and read what it appended."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reconcile.backfill.context import UNREADABLE
from reconcile.client.jira_client import JiraClient, Limits, connected
from reconcile.progress import LoggedProgress
from reconcile.publisher import ExistingFacts, NoExistingFacts
from reconcile.run import RunContext, RunOptions, read_site
from reconcile.state.checkpoint import Checkpoint
from reconcile.state.run_state import lasting_state
from reconcile.state.watermark import Watermark, keep_watermark, read_watermark, watermark_after
from rollcall.records import Activity, DaysRead, Directory, decode_activity, decode_directory
from rollcall.runtime import opened
from rollcall.settings import Settings

from ..failures import FailingLog, Failures
from .site import hurried


@dataclass
class Appended:
    """What is on the log: facts by key, the better of two of one key, and rows of snapshots in order."""

    facts: dict[str, Activity] = field(default_factory=dict)
    rows: list[Directory] = field(default_factory=list)
    records: int = 0


async def reconcile(
    settings: Settings,
    options: RunOptions | None = None,
    *,
    limits: Limits | None = None,
    existing: ExistingFacts | None = None,
    resume: bool = False,
    failures: Failures | None = None,
    watermark: Watermark | None = None,
) -> Checkpoint:
    """One run, as the command does it but for the warehouse."""
    async with opened(settings, "a test") as runtime, jira(settings, limits) as client:
        if failures:
            runtime = replace(runtime, log=FailingLog(runtime.log, failures))
        folder = Path(settings.log_url.removeprefix("sqlite://")).parent / "reconcile"
        with lasting_state(folder, "acme", resume=resume) as (state, left):
            known = existing or NoExistingFacts()
            context = RunContext("acme", settings, client, runtime, known, state, LoggedProgress("acme"), watermark)
            return await read_site(context, options or RunOptions(), left)


async def next_run(settings: Settings, options: RunOptions | None = None, **more: Any) -> Checkpoint:
    """One run of the activity that goes on where the runs before came to, as the command does it."""
    folder = Path(settings.log_url.removeprefix("sqlite://")).parent / "reconcile"
    before = read_watermark(folder, "acme")
    run = await reconcile(settings, options or RunOptions(parts=("activity",)), watermark=before, **more)
    keep_watermark(folder, "acme", watermark_after(run, before, read=not run.found.skipped[UNREADABLE]))
    return run


@asynccontextmanager
async def jira(settings: Settings, limits: Limits | None = None) -> AsyncIterator[JiraClient]:
    async with connected("acme", settings.sites["acme"], settings.reconcile, limits or hurried()) as client:
        yield client


async def appended(settings: Settings) -> Appended:
    found = Appended()
    async with opened(settings, "a test") as runtime:
        log, topics = runtime.log, runtime.topics
        async for entry in log.scan(topics.activity.name):
            fact = decode_activity(entry.value)
            found.records += 1
            if fact.account_id or fact.event_key not in found.facts:
                found.facts[fact.event_key] = fact
        async for entry in log.scan(topics.directory.name):
            row = decode_directory(entry.value)
            if not isinstance(row, DaysRead):  # which belongs to no snapshot
                found.rows.append(row)
    return found
