"""One site's run from beginning to end: ask, append, see it into the warehouse, rebuild, and tell."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

from console.command import complain
from console.reconciling.asked import Asked
from console.reconciling.coverage import Coverage, read_coverage
from console.reconciling.landing import Landing, try_rebuild
from console.reconciling.showing import shown_progress
from reconcile.client.connecting import connected
from reconcile.client.jira import Limits
from reconcile.progress import Progress
from reconcile.resume.checkpoint import Checkpoint
from reconcile.resume.last_run import keep_last_run, last_run_of
from reconcile.resume.memory import (
    Memory,
    forget_run,
    lasting_memory,
    passing_memory,
    required_folder,
    state_folder,
)
from reconcile.run import Plan, Site, reconcile_site
from rollcall.eventlog import EventLog
from rollcall.logs import logger
from rollcall.settings import Settings

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to; it is complete when nothing is missing."""

    run: Checkpoint
    coverage: Coverage | None

    @property
    def complete(self) -> bool:
        """Whether everything was done."""
        return not self.run.missing


async def reconcile_one(
    settings: Settings,
    name: str,
    asked: Asked,
    event_log: EventLog | None,
    found: Landing,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Reconcile one site.

    Args:
        settings: The settings.
        name: The site's name in them.
        asked: What to do.
        event_log: Where records go; None for a dry run.
        found: The warehouse.
        limits: In place of those in the settings; for tests.
        progress: Is told how far it is, in place of the terminal.

    Raises:
        RollcallError: It failed; unless it was a dry run, `--resume` goes on.
    """
    site = settings.sites[name]
    with (
        _memory(settings, name, asked) as (memory, left),
        nullcontext(progress) if progress else shown_progress(name) as shown,
    ):
        async with connected(name, site, settings.reconcile, limits) as jira:
            hands = Site(name, settings, jira, event_log, found.known, memory, shown)
            run = await reconcile_site(hands, Plan(asked.wanted, asked.parts, left))
        if event_log:
            await _land(settings, name, run, found)
        coverage = await read_coverage(found.reader, settings, name, run.window) if found.reader else None
        _warn(name, coverage)
        folder = state_folder(settings)
        if event_log and folder:
            # Before the checkpoint goes: a crash in between costs a look, the other way round it would cost a run.
            if last := last_run_of(run):
                keep_last_run(folder, name, last)
            if not run.unfinished:
                forget_run(folder, name)
    return Outcome(run, coverage)


@contextmanager
def _memory(settings: Settings, name: str, asked: Asked) -> Iterator[tuple[Memory, Checkpoint | None]]:
    with ExitStack() as stack:
        folder = required_folder(settings) if asked.resume else state_folder(settings)
        if asked.dry_run or folder is None:
            yield stack.enter_context(passing_memory()), None
            return
        memory, left = stack.enter_context(lasting_memory(folder, name, resume=asked.resume))
        if asked.resume and left is None:
            complain(f"{name}: there is no interrupted run to go on with; this is a new one")
        yield memory, left


async def _land(settings: Settings, name: str, run: Checkpoint, found: Landing) -> None:
    missing = await found.write()
    if not missing and "activity" in run.parts:
        missing = await try_rebuild(found, name, run.window.days(settings.sites[name].zone()))
    if missing:
        run.unfinished = True
        run.missing.append(missing)


def _warn(name: str, coverage: Coverage | None) -> None:
    if coverage is None or not coverage.known:
        return
    if not coverage.ever:
        log.warning("no webhook has brought anything yet; is it registered (`rollcall webhook list`)?", site=name)
    for day, share in coverage.low:
        log.warning(
            "webhooks brought too little; look at `rollcall check`", site=name, day=f"{day}", share=round(share, 3)
        )
