"""What the options of ``rollcall reconcile`` ask for."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import typer

from reconcile.resume.checkpoint import Part
from reconcile.window import Wanted

MOMENTS = [
    "%Y-%m-%d",
    *(f"%Y-%m-%d{between}{clock}{zone}" for between in "T " for clock in ("%H:%M", "%H:%M:%S") for zone in ("", "%z")),
]
"""Forms of a moment: a date, or with a time of day, and that with an offset from UTC (``+01:00``, ``Z``) or without."""


class Only(StrEnum):
    """One of the two halves of a run."""

    ACTIVITY = "activity"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True)
class Asked:
    """The options.

    Attributes:
        wanted: The window.
        only: One half of a run; None for both.
        dry_run: Write nothing, only tell.
        resume: Go on with an interrupted run.
    """

    wanted: Wanted
    only: Only | None = None
    dry_run: bool = False
    resume: bool = False

    @property
    def parts(self) -> tuple[Part, ...]:
        """The halves to do."""
        if self.only is None:
            return ("directory", "activity")
        return ("activity",) if self.only is Only.ACTIVITY else ("directory",)


def asked(
    days: int | None, since: datetime | None, until: datetime | None, only: Only | None, dry_run: bool, resume: bool
) -> Asked:
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
    return Asked(Wanted(days, since, until), only, dry_run, resume)
