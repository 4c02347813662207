"""The remainder of a run that ended early: what it had put on the log, brought into the warehouse all the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from reconcile.sink import Sink, try_rebuild
from reconcile.state.checkpoint import Checkpoint, CheckpointError
from reconcile.state.run_state import checkpoint_left, state_folder
from reconcile.state.window import WindowRequest, window
from rollcall.clock import now_ms
from rollcall.errors import RollcallError
from rollcall.settings import Settings


@dataclass(frozen=True, slots=True)
class Remainder:
    """What a run that ended early left.

    Attributes:
        left: Its checkpoint, which a run with ``--resume`` goes on from; None where checkpoints have no place.
        missing: What keeps its records from being seen; empty when they are in the warehouse and their days rebuilt.
    """

    left: Checkpoint | None
    missing: str = ""


def remainder_of(settings: Settings, name: str) -> Remainder | None:
    """Return what a run of the site left; None where it had put nothing on the log."""
    folder = state_folder(settings)
    if folder is None:
        return Remainder(None)
    try:
        left = checkpoint_left(folder, name)
    except CheckpointError:
        return Remainder(None)
    return Remainder(left) if left else None


async def bring(settings: Settings, name: str, remainder: Remainder, asked: WindowRequest, sink: Sink) -> Remainder:
    """Wait until what is on the log is in the warehouse, and rebuild the days that the run may have touched.

    Args:
        settings: The settings.
        name: The site's name in them.
        remainder: What is left.
        asked: The window of the run, for when no checkpoint has it.
        sink: The log and the warehouse.

    Returns:
        The same, with what is missing.
    """
    left = remainder.left
    try:
        missing = await sink.write()
        if not missing and (left is None or left.found.facts):
            missing = await try_rebuild(sink, name, _days(settings, name, left, asked))
    except RollcallError as error:
        missing = str(error)
    return Remainder(left, missing)


def _days(settings: Settings, name: str, left: Checkpoint | None, asked: WindowRequest) -> Sequence[date]:
    zone = settings.sites[name].zone()
    return (left.window if left else window(asked, settings.reconcile, zone, now_ms())).days(zone)
