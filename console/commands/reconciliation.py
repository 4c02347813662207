"""``rollcall reconcile``: its options."""

from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from console.control import request_rebuild
from console.output import OutputFormat
from console.process import Config, SiteOption, run_command, site_names
from console.site_runs import SiteRuns
from consumers.supervisor import drain
from reconcile.run import RunOptions
from reconcile.sink import open_dry_run_sink, open_sink
from reconcile.state.checkpoint import Part, WindowRequest, require_order
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
        if options.dry_run:
            async with open_dry_run_sink(settings) as sink:
                return await SiteRuns(settings, options, sink, form, config).run(names)
        async with (
            opened(settings) as runtime,
            open_sink(runtime, drain=drain, request_rebuild=request_rebuild) as sink,
        ):
            return await SiteRuns(settings, options, sink, form, config).run(names)

    run_command(config, body)
