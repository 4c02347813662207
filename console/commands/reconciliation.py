"""``rollcall reconcile``: its options, the run of every site, and the summary it prints.

The summary's rows are site, part, name and value.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from console.control import request_rebuild
from console.output import OutputFormat, print_rows, progress_bars
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
from reconcile.run import RunOptions, RunOutcome, run_site
from reconcile.sink import Sink, open_dry_run_sink, open_sink
from reconcile.state.checkpoint import Checkpoint, Part
from reconcile.window import WindowRequest, require_order
from rollcall.clock import iso
from rollcall.errors import RollcallError, SettingsError
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
    days: int | None, since: datetime | None, until: datetime | None, only: Only | None, dry_run: bool, resume: bool
) -> RunOptions:
    """Check that the options fit together.

    Raises:
        typer.BadParameter: They do not.
    """
    if days and since:
        raise typer.BadParameter("say either --days or --since", param_hint="--days")
    if resume and (days or since or until or only):
        raise typer.BadParameter(
            "goes on with the window and the parts of the interrupted run; give no others", param_hint="--resume"
        )
    if resume and dry_run:
        raise typer.BadParameter("a dry run leaves nothing to go on with", param_hint="--resume")
    return RunOptions(WindowRequest(days, since, until), _PARTS[only], dry_run, resume)


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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what is missing and write nothing.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")] = False,
    form: Annotated[OutputFormat, typer.Option("--format", help="How to print the summary.")] = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Ask Jira's REST API what the webhooks missed, and who there is. `up` may be running."""
    options = run_options(days, since, until, only, dry_run, resume)

    async def body(settings: Settings) -> int:
        names = site_names(settings, site)
        for name in names:
            require_order(options.window, settings.sites[name].zone())

        async def runs(sink: Sink) -> int:
            async def one(name: str) -> RunOutcome:
                with progress_bars(name) as progress:
                    return await run_site(settings, name, options, sink, progress=progress)

            return await _all(names, one, options, form)

        if options.dry_run:
            async with open_dry_run_sink(settings) as sink:
                return await runs(sink)
        async with (
            opened(settings) as runtime,
            open_sink(runtime, drain=drain, request_rebuild=request_rebuild) as sink,
        ):
            return await runs(sink)

    run_command(config, body)


async def _all(
    names: list[str], one: Callable[[str], Awaitable[RunOutcome]], options: RunOptions, form: OutputFormat
) -> int:
    """Run site by site; one that fails does not stop the next. Settings are to blame only where nothing else failed."""
    outcomes: list[RunOutcome] = []
    failed: set[int] = set()
    for name in names:
        try:
            outcomes.append(await one(name))
        except RollcallError as error:
            if len(names) == 1:
                raise
            print_error(f"{name}: {error}")
            failed.add(WRONG_USAGE if isinstance(error, SettingsError) else FAILED)
    by_day = options.dry_run or form is not OutputFormat.TABLE
    rows = []
    for outcome in outcomes:
        rows += summary(outcome.run, outcome.coverage, dry_run=options.dry_run, by_day=by_day)
    print_rows(rows, SUMMARY_COLUMNS, form)
    for outcome in outcomes:
        for what in outcome.run.missing:
            print_error(f"{outcome.run.site}: missing: {what}")
    if failed:
        return min(failed)
    return DONE if all(outcome.complete for outcome in outcomes) else INCOMPLETE
