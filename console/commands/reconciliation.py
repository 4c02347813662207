"""``rollcall reconcile``: its options, the runs site by site, what is printed of each, and the exit code they come to.

The summary's rows are site, part, name and value.
"""

import asyncio
import shlex
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from console.control import request_rebuild
from console.output import REBUILDING, WRITING, OutputFormat, print_rows, progress_bars
from console.process import (
    DONE,
    FAILED,
    INCOMPLETE,
    WRONG_USAGE,
    Config,
    SiteOption,
    print_error,
    run_command,
    site_names,
)
from consumers.supervisor import drain
from reconcile.coverage import Coverage
from reconcile.progress import Progress
from reconcile.remainder import Remainder, bring, remainder_of
from reconcile.run import RunOptions, RunOutcome, run_site
from reconcile.sink import Sink, open_dry_run_sink, open_sink
from reconcile.state.checkpoint import Checkpoint, Part, WindowRequest, require_order
from reconcile.state.run_state import AlreadyRunningError, checkpoint_left, required_folder, state_folder
from rollcall.clock import iso
from rollcall.errors import RollcallError, SettingsError
from rollcall.logs import kind_and_place
from rollcall.runtime import opened
from rollcall.settings import Settings

_TIME_FORMATS = [
    "%Y-%m-%d",
    *(f"%Y-%m-%d{between}{clock}{zone}" for between in "T " for clock in ("%H:%M", "%H:%M:%S") for zone in ("", "%z")),
]
"""Forms of a moment: a date, or with a time of day, and that with an offset from UTC (``+01:00``, ``Z``) or without."""

_FIRST_YEAR = 2002
"""Of the first Jira."""


def read_time(text: str) -> datetime:
    """Read a moment as people write it; naive where it has no offset.

    Raises:
        typer.BadParameter: It is none; the text shows the forms that are taken.
    """
    for form in _TIME_FORMATS:
        with suppress(ValueError):
            moment = datetime.strptime(text.strip(), form)  # noqa: DTZ007 - the site's zone is not known yet
            break
    else:
        raise typer.BadParameter(
            f"{text!r} is no time; write YYYY-MM-DD, YYYY-MM-DD HH:MM, or that with an offset, such as "
            "2026-11-17T10:00+01:00"
        )
    if moment.year < _FIRST_YEAR:
        raise typer.BadParameter(f"{text!r} is before the first Jira")
    return moment


class Only(StrEnum):
    """One of the two halves of a run."""

    ACTIVITY = "activity"
    DIRECTORY = "directory"


_PARTS: dict[Only | None, tuple[Part, ...]] = {
    None: ("directory", "activity"),
    Only.ACTIVITY: ("activity",),
    Only.DIRECTORY: ("directory",),
}


def run_options(
    days: int | None,
    since: datetime | None,
    until: datetime | None,
    only: Only | None,
    dry_run: bool,
    resume: bool,
    whole: bool = False,
) -> RunOptions:
    """Check that the options fit together.

    Raises:
        typer.BadParameter: They do not.
    """
    if days and since:
        raise typer.BadParameter("say either --days or --since", param_hint="--days")
    if whole and (days or since or until):
        raise typer.BadParameter(
            "reads all of the default window; a window that is named is read whole anyway", param_hint="--whole"
        )
    if resume and (days or since or until or only or whole):
        raise typer.BadParameter(
            "goes on with the window and the parts of the interrupted run; give no others", param_hint="--resume"
        )
    if resume and dry_run:
        raise typer.BadParameter("a dry run leaves nothing to go on with", param_hint="--resume")
    return RunOptions(WindowRequest(days, since, until), _PARTS[only], dry_run, resume, whole)


Time = Annotated[
    datetime | None,
    typer.Option(parser=read_time, help="In the site's reporting time zone, unless it has an offset.", metavar="TIME"),
]


def reconcile(
    site: SiteOption = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Today and the days before it. [default: reconcile.days]")
    ] = None,
    since: Time = None,
    until: Time = None,
    only: Annotated[Only | None, typer.Option(help="Only what people did, or only who they are.")] = None,
    whole: Annotated[
        bool,
        typer.Option(
            "--whole",
            help="Read all of the window, and the project roles, as is done every `reconcile.whole_days`; otherwise "
            "only what moved since the last run that lacked nothing.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what is missing and write nothing.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")] = False,
    form: Annotated[OutputFormat, typer.Option("--format", help="How to print the summary.")] = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Ask Jira's REST API what the webhooks missed, and who there is. `up` may be running."""
    options = run_options(days, since, until, only, dry_run, resume, whole)

    async def body(settings: Settings) -> int:
        names = site_names(settings, site)
        for name in names:
            require_order(options.window, settings.sites[name].zone())
        if options.dry_run:
            async with open_dry_run_sink(settings) as sink:
                return await SiteRuns(settings, options, sink, form, config).run(names)
        async with (
            opened(settings) as runtime,
            open_sink(runtime, drain=drain, request_rebuild=request_rebuild) as sink,
        ):
            return await SiteRuns(settings, options, sink, form, config).run(names)

    run_command(config, body)


SUMMARY_COLUMNS = ("site", "part", "name", "value")

Rows = list[dict[str, Any]]


def summary(run: Checkpoint, coverage: Coverage | None, *, dry_run: bool, by_day: bool) -> Rows:
    """Return the rows of one site's run, with new facts by day if so chosen."""
    parts = [
        _run(run, dry_run),
        _requests(run),
        _facts(run, by_day),
        _directory(run),
        _coverage(coverage, by_day),
        _rest(run),
    ]
    return [
        {"site": run.site, "part": part, "name": name, "value": value} for some in parts for part, name, value in some
    ]


_Lines = Iterator[tuple[str, str, object]]


def _run(run: Checkpoint, dry_run: bool) -> _Lines:
    yield "run", "since", _moment(run.window.since)
    yield "run", "until", _moment(run.window.until)
    if run.moved and "activity" in run.parts:
        yield "run", "issues moved since", _moment(run.moved.issues)
    yield "run", "parts", ", ".join(run.parts)
    yield "run", "dry run", dry_run
    if run.resumed:
        yield "run", "resumed", run.resumed


def _requests(run: Checkpoint) -> _Lines:
    stats = run.stats
    for name, count in sorted(stats.requests.items(), key=lambda pair: (-pair[1], pair[0])):
        yield "requests", name, count
    yield "requests", "total", stats.requests.total()
    for reason, count in sorted(stats.waits.items()):
        yield "waits", reason, count
        yield "wait seconds", reason, round(stats.wait_seconds.get(reason, 0.0), 1)
    yield "waits", "total", stats.waits.total()
    yield "wait seconds", "total", round(sum(stats.wait_seconds.values()), 1)


def _facts(run: Checkpoint, by_day: bool) -> _Lines:
    if "activity" not in run.parts:
        return
    found = run.found
    yield "issues", "candidates", run.issues.issues
    for kind, count in sorted(found.facts.items()):
        yield "facts found", kind, count
    yield "facts", "found", found.facts.total()
    for kind, count in sorted(found.new.items()):
        yield "facts new", kind, count
    for day, count in sorted(found.new_days.items()) if by_day else ():
        yield "facts new by day", day, count
    yield "facts", "new", found.new.total()
    yield "facts", "repaired", found.named + found.retimed
    yield "facts repaired", "actor learned", found.named
    yield "facts repaired", "time corrected", found.retimed
    if found.unjudged:
        yield "facts", "not compared", found.unjudged


def _directory(run: Checkpoint) -> _Lines:
    if "directory" in run.parts:
        for kind in ("users", "licenses", "roles", "seats"):
            yield "directory", kind, run.found.rows[kind]


def _coverage(coverage: Coverage | None, by_day: bool) -> _Lines:
    if coverage is None:
        return
    for day, known, by_webhook in coverage.days if by_day else ():
        yield "known by day", day.isoformat(), known
        yield "by webhook by day", day.isoformat(), by_webhook
    yield "coverage", "facts that REST knows", coverage.known
    yield "coverage", "brought by webhooks", coverage.by_webhook
    if coverage.share is not None:
        yield "coverage", "share", round(coverage.share, 4)
    for day, share in coverage.low:
        yield "coverage low", day.isoformat(), round(share, 4)


def _rest(run: Checkpoint) -> _Lines:
    for why, count in sorted(run.found.skipped.items()):
        if count:
            yield "skipped", why, count
    for note in run.notes:
        yield "note", "", note
    for what in run.missing:
        yield "missing", "", what


def _moment(epoch_ms: int) -> str:
    return iso(datetime.fromtimestamp(epoch_ms / 1000, UTC))


class SiteRuns:
    """Runs sites one after the other, and prints what became of them.

    Args:
        settings: The settings.
        options: What to do, the same for every site.
        sink: The log and the warehouse.
        form: How to print the summary.
        config: The settings file, if one was named; for the command that goes on.
    """

    def __init__(
        self, settings: Settings, options: RunOptions, sink: Sink, form: OutputFormat, config: Path | None
    ) -> None:
        self._settings = settings
        self._options = options
        self._sink = sink
        self._form = form
        self._config = config
        self._outcomes: list[RunOutcome] = []
        self._failed: set[int] = set()

    async def run(self, names: list[str]) -> int:
        """Run the sites; one that fails does not stop the next. Returns the exit code.

        Settings are to blame only where nothing else failed.
        """
        told = {name: f"{name}: " if len(names) > 1 else "" for name in names}
        try:
            if self._options.resume:
                names = self._resumable(names)
                if not names and not self._failed:
                    return WRONG_USAGE
            for name in names:
                await self._one(name, told[name])
        finally:
            if self._outcomes or len(told) > 1:
                self._print()
        if self._failed:
            return min(self._failed)
        return DONE if all(outcome.complete for outcome in self._outcomes) else INCOMPLETE

    def _resumable(self, names: list[str]) -> list[str]:
        """Return the sites with a run to go on with; a new one, of thirty days, is not what was asked for."""
        folder, found = required_folder(self._settings), []
        for name in names:
            try:
                if checkpoint_left(folder, name):
                    found.append(name)
                else:
                    print_error(f"{name}: there is no interrupted run to go on with; without --resume a new one begins")
            except RollcallError as error:
                print_error(f"{name}: {error}")
                self._failed.add(FAILED)
        return found

    async def _one(self, name: str, told: str) -> None:
        try:
            with progress_bars(name, self._parts(name), resumed=self._options.resume) as progress:
                sink = _shown(self._sink, progress)
                self._outcomes.append(await run_site(self._settings, name, self._options, sink, progress=progress))
        except asyncio.CancelledError:
            await self._bring_interrupted(name)
            raise
        except (SettingsError, AlreadyRunningError) as error:  # it has not begun
            print_error(f"{told}{error}")
            self._failed.add(WRONG_USAGE if isinstance(error, SettingsError) else FAILED)
        except Exception as error:
            foreseen = isinstance(error, RollcallError)
            print_error(
                f"{told}{error if foreseen else f'ended unexpectedly ({kind_and_place(error)}); please report it'}"
            )
            self._failed.add(FAILED)
            if left := self._left(name):
                await self._bring(name, left)

    def _parts(self, name: str) -> Sequence[Part]:
        if self._options.resume and (left := checkpoint_left(required_folder(self._settings), name)):
            return left.parts
        return self._options.parts

    def _left(self, name: str) -> Remainder | None:
        return remainder_of(self._settings, name) if self._sink.runtime else None

    async def _bring_interrupted(self, name: str) -> None:
        left = self._left(name)
        if left is None:
            return
        task = asyncio.current_task()
        if task and threading.current_thread() is threading.main_thread():
            # A second Ctrl-C would otherwise be raised wherever Python is just then, which can break the closing.
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
        try:
            print_error(f"{name}: stopping; what it had read is being written (Ctrl-C again leaves it on the log)")
            await self._bring(name, left)
        except asyncio.CancelledError:
            print_error(
                f"{name}: {_amount(left)} on the log, not all in the warehouse yet; {self._how_to_go_on(name, left)}"
            )
            raise

    async def _bring(self, name: str, left: Remainder) -> None:
        brought = await bring(self._settings, name, left, self._options.window, self._sink)
        where = f"on the log ({brought.missing})" if brought.missing else "in the warehouse, and their days are rebuilt"
        print_error(f"{name}: {_amount(left)} {where}; {self._how_to_go_on(name, left)}")

    def _how_to_go_on(self, name: str, left: Remainder) -> str:
        if left.left is None:
            return "there is no checkpoint to go on from (see reconcile.state_dir): run it again"
        return f"`{self._resume(name)}` goes on from there"

    def _resume(self, name: str) -> str:
        config = ["--config", str(self._config)] if self._config else []
        return shlex.join(["rollcall", "reconcile", "--site", name, "--resume", *config])

    def _print(self) -> None:
        options, rows = self._options, Rows()
        by_day = options.dry_run or self._form is not OutputFormat.TABLE
        for outcome in self._outcomes:
            rows += summary(outcome.run, outcome.coverage, dry_run=options.dry_run, by_day=by_day)
        print_rows(rows, SUMMARY_COLUMNS, self._form)
        for outcome in self._outcomes:
            name, run = outcome.run.site, outcome.run
            for what in run.missing:
                print_error(f"{name}: missing: {what}")
            if run.unfinished and self._sink.runtime and state_folder(self._settings):
                print_error(f"{name}: `{self._resume(name)}` tries that again")


def _shown(sink: Sink, progress: Progress) -> Sink:
    """Return the sink with its waits shown, which take a while on a large site."""
    if sink.runtime is None:
        return sink

    async def write() -> str:
        progress.at(WRITING, 0)
        missing = await sink.write()
        progress.end(WRITING, 1)
        return missing

    async def rebuild(site: str, days: Sequence[date]) -> object:
        progress.at(REBUILDING, 0, len(days))
        done = await sink.rebuild(site, days)
        progress.end(REBUILDING, len(days))
        return done

    return replace(sink, write=write, rebuild=rebuild)


def _amount(left: Remainder) -> str:
    """Say what was read, as the beginning of a sentence."""
    if left.left is None:
        return "the facts that it had read are"
    run = left.left
    parts = [f"{run.found.facts.total():,} facts"]
    if run.directory_done and run.found.rows["users"]:
        parts.append(f"{run.found.rows['users']:,} users")
    return f"{' and '.join(parts)} that it had read are"
