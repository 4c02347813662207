"""``rollcall reconcile``: its options, the runs site by site, and the exit code they come to."""

import asyncio
import shlex
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from console.commands.run_summary import SUMMARY_COLUMNS, Rows, lookback_summary, summary
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
from reconcile.progress import Progress
from reconcile.run import LOOKBACK_PARTS, RunOptions, RunOutcome, run_site
from reconcile.sink import Remainder, Sink, bring, open_dry_run_sink, open_sink, remainder_of
from reconcile.state.checkpoint import Part
from reconcile.state.run_state import AlreadyRunningError, checkpoint_left, required_folder, state_folder
from reconcile.state.watermark import lookback
from reconcile.state.window import WindowRequest, require_order
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
            opened(settings, "rollcall reconcile") as runtime,
            open_sink(runtime, drain=drain, request_rebuild=request_rebuild) as sink,
        ):
            return await SiteRuns(settings, options, sink, form, config).run(names)

    run_command(config, body)


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
        self._lookbacks: list[RunOutcome] = []
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
        return DONE if all(outcome.complete for outcome in self._outcomes + self._lookbacks) else INCOMPLETE

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
                outcome = await run_site(self._settings, name, self._options, sink, progress=progress)
            self._outcomes.append(outcome)
            if outcome.run.covers and self._options.window == WindowRequest() and self._sink.runtime:
                await self._look_back(name, told)
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

    async def _look_back(self, name: str, told: str) -> None:
        """Read further back than each run does, as far as the thresholds of seats want, which is done once."""
        before = None
        while (span := lookback(self._settings, name)) and span != before:
            print_error(
                f"{told}reads once the days from {span.since:%F} on, too, for the thresholds of seats; "
                "a run that follows goes on where this ends"
            )
            with progress_bars(name, LOOKBACK_PARTS, resumed=False) as progress:
                sink, before = _shown(self._sink, progress), span
                options = RunOptions(window=span, parts=LOOKBACK_PARTS)
                self._lookbacks.append(await run_site(self._settings, name, options, sink, progress=progress))

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
        for outcome in self._lookbacks:
            rows += lookback_summary(outcome.run)
        print_rows(rows, SUMMARY_COLUMNS, self._form)
        for outcome in self._outcomes + self._lookbacks:
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
