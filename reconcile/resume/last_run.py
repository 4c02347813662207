"""When a site was last read as the daily run reads it; a file of its own, as the checkpoint goes once a run is through.

The warehouse cannot tell: a directory may land without any activity, and one that Jira refuses never lands at all.
"""

from pathlib import Path

import msgspec

from reconcile.resume.checkpoint import Checkpoint, CheckpointError
from rollcall.files import replace_file


class LastRun(msgspec.Struct, frozen=True):
    """The last run that was a whole day's and read all activity it could.

    Attributes:
        began: When it began, epoch ms.
        unfinished: Whether trying again soon may bring what it lacks; what Jira refuses is no reason.
    """

    began: int
    unfinished: bool


def last_run_of(run: Checkpoint) -> LastRun | None:
    """Return what to remember of a run that came to its end; None when it was less than a whole day's."""
    return LastRun(run.started_at, run.unfinished) if run.whole else None


def read_last_run(folder: Path, site: str) -> LastRun | None:
    """Return what is remembered; None when nothing is, or when it cannot be read: then the site is read once more."""
    try:
        return msgspec.json.decode(_file(folder, site).read_bytes(), type=LastRun)
    except (OSError, msgspec.DecodeError):
        return None


def keep_last_run(folder: Path, site: str, last: LastRun) -> None:
    """Remember a run.

    Raises:
        CheckpointError: It cannot be written.
    """
    path = _file(folder, site)
    try:
        replace_file(path, msgspec.json.encode(last))
    except OSError as error:
        raise CheckpointError(f"cannot write {path} ({error.strerror}); free the disk") from error


def _file(folder: Path, site: str) -> Path:
    return folder / f"{site}.last"
