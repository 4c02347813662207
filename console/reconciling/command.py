"""``rollcall reconcile``."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

import typer

from console.command import DONE, FAILED, INCOMPLETE, WRONG_USAGE, Config, complain, run, site_names
from console.formats import Format, print_rows
from console.opening import opened_log
from console.reconciling.asked import MOMENTS, Asked, Only, asked
from console.reconciling.landing import knowledge, landing
from console.reconciling.one_site import Outcome, reconcile_one
from console.reconciling.summary import COLUMNS, summary
from rollcall.errors import RollcallError, SettingsError
from rollcall.settings import Settings

Moment = Annotated[
    datetime | None,
    typer.Option(formats=MOMENTS, help="In the site's reporting time zone, unless it has an offset.", metavar="TIME"),
]


def reconcile(
    site: Annotated[str | None, typer.Option(help="Only this site of the settings.")] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Today and the days before it. [default: reconcile.days]")
    ] = None,
    since: Moment = None,
    until: Moment = None,
    only: Annotated[Only | None, typer.Option(help="Only what people did, or only who they are.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what is missing and write nothing.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")] = False,
    form: Annotated[Format, typer.Option("--format", help="How to print the summary.")] = Format.TABLE,
    config: Config = None,
) -> None:
    """Ask Jira's REST API what the webhooks missed, and who there is. `up` may be running."""
    options = asked(days, since, until, only, dry_run, resume)

    async def body(settings: Settings) -> int:
        names = site_names(settings, site)
        if options.dry_run:
            async with knowledge(settings) as found:
                return await _all(
                    names, lambda name: reconcile_one(settings, name, options, None, found), options, form
                )
        async with opened_log(settings) as event_log, landing(settings, event_log) as found:
            return await _all(
                names, lambda name: reconcile_one(settings, name, options, event_log, found), options, form
            )

    run(config, body)


async def _all(names: list[str], one: Callable[[str], Awaitable[Outcome]], options: Asked, form: Format) -> int:
    """Run site by site; one that fails does not stop the next. Settings are to blame only where nothing else failed."""
    outcomes: list[Outcome] = []
    failed: set[int] = set()
    for name in names:
        try:
            outcomes.append(await one(name))
        except RollcallError as error:
            if len(names) == 1:
                raise
            complain(f"{name}: {error}")
            failed.add(WRONG_USAGE if isinstance(error, SettingsError) else FAILED)
    by_day = options.dry_run or form is not Format.TABLE
    rows = []
    for outcome in outcomes:
        rows += summary(outcome.run, outcome.coverage, dry_run=options.dry_run, by_day=by_day)
    print_rows(rows, COLUMNS, form)
    for outcome in outcomes:
        for what in outcome.run.missing:
            complain(f"{outcome.run.site}: missing: {what}")
    if failed:
        return min(failed)
    return DONE if all(outcome.complete for outcome in outcomes) else INCOMPLETE
