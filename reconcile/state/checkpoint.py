"""The checkpoint: everything needed to go on with a run, as one small JSON file; and when a site was last read whole.

The last run is a file of its own, as the checkpoint goes once a run is through. The warehouse cannot say: a directory
may land without any activity, and one that Jira refuses never lands at all.
"""

from collections import Counter
from pathlib import Path
from typing import Any, Literal, TypeVar, get_origin

import msgspec

from reconcile.client.retry import Stats
from reconcile.state.window import Window
from rollcall.errors import RollcallError
from rollcall.files import replace_file

Part = Literal["activity", "directory"]
_FORMAT = 1


class CheckpointError(RollcallError):
    """A checkpoint cannot be read or written; the text says what to do."""


class IssuesCursor(msgspec.Struct):
    """How far the issues are.

    Attributes:
        jql: The query, which a token belongs to.
        token: Of the search page to ask next; None before the first.
        pages: Search pages done.
        issues: Issues found on them.
        counted: Whether the census was taken, or given up.
        expected: How many issues the census lists; 0 without one.
        searched: Whether the search is through.
        checked: Whether what it brought was held against the census.
        recounted: Whether another census was taken, as the first lacked what the search brought.
        pending: Ids whose changelogs are still to be read.
        changelog_token: Of the page to ask next for the first bulk request's worth of those; None for the first.
        asked_alone: How many issues' changelogs were asked for one by one.
        heard: How many issues were asked for their comments on suspicion.
        asks_each: Whether each is asked for them, as a search was seen to leave some out.
        done: Whether all of it is through.
    """

    jql: str = ""
    token: str | None = None
    pages: int = 0
    issues: int = 0
    counted: bool = False
    expected: int = 0
    searched: bool = False
    checked: bool = False
    recounted: bool = False
    pending: list[int] = []
    changelog_token: str | None = None
    asked_alone: int = 0
    heard: int = 0
    asks_each: bool = False
    done: bool = False


class FeedCursor(msgspec.Struct):
    """How far a worklog feed is: ``since`` of the page to ask next, epoch ms; None before the first."""

    since: int | None = None
    read: bool = False
    done: bool = False


class Found(msgspec.Struct):
    """What a run found, counted.

    Attributes:
        facts: All facts, by family and action.
        new: Those the warehouse did not have, likewise.
        new_days: The same by reporting day, for what was missing when.
        judged_days: Facts that were compared with the warehouse, by reporting day.
        webhook_days: Those of them that a webhook had brought, likewise.
        named: Known facts whose actor was not known before.
        retimed: Known facts whose time REST gives differently than the webhook did.
        unjudged: Facts that could not be compared with the warehouse.
        skipped: What could not be read and why, such as entities gone in between.
        credited: Facts that name who did it, by kind.
        nameless: Facts that name nobody, likewise.
        rows: Directory rows, by kind.
        strangers: Accounts that did something and whom the list of users leaves out, to be asked for at the end.
    """

    facts: Counter[str] = msgspec.field(default_factory=Counter)
    new: Counter[str] = msgspec.field(default_factory=Counter)
    new_days: Counter[str] = msgspec.field(default_factory=Counter)
    judged_days: Counter[str] = msgspec.field(default_factory=Counter)
    webhook_days: Counter[str] = msgspec.field(default_factory=Counter)
    named: int = 0
    retimed: int = 0
    unjudged: int = 0
    skipped: Counter[str] = msgspec.field(default_factory=Counter)
    credited: Counter[str] = msgspec.field(default_factory=Counter)
    nameless: Counter[str] = msgspec.field(default_factory=Counter)
    rows: Counter[str] = msgspec.field(default_factory=Counter)
    strangers: list[str] = []


_IDS_NAMED = 10
"""More in one line nobody reads."""
_IDS_KEPT = 50
"""More the next run does not ask for one by one."""


class Gap(msgspec.Struct):
    """What could not be read for one reason.

    Attributes:
        what: Its kind, which ends in a noun where there are ids: ``comments of issue``.
        reason: Why, in words.
        ids: The first ids; none where the kind says it all.
        count: How many ids there are.
        of: What it belongs to: ``issues``, ``worklogs`` or ``deletions`` (of worklogs). So are its ids. Empty where
            a later run has nothing more to ask for.
        issues: Of ids that are no issues': the issues to be read again.
    """

    what: str
    reason: str
    ids: list[int] = []
    count: int = 0
    of: str = "issues"
    issues: list[int] = []

    def add(self, number: int, issue: int = 0) -> None:
        """Take one more id, and the issue that it is to be found by."""
        self.count += 1
        if len(self.ids) < _IDS_KEPT:
            self.ids = [*self.ids, number]
            self.issues = [*self.issues, issue] if issue else self.issues

    def words(self) -> str:
        """Return it as a sentence for people."""
        if not self.ids:
            return f"{self.what} could not be read: {self.reason}"
        if self.count == 1:
            return f"{self.what} {self.ids[0]} could not be read: {self.reason}"
        before, _, noun = self.what.rpartition(" ")
        named = ", ".join(map(str, self.ids[:_IDS_NAMED])) + (", …" if self.count > _IDS_NAMED else "")
        return f"{before} {self.count} {noun}s: {named} could not be read: {self.reason}".strip()


_STAYED_RUNS = 3
_STAYED_MS = 14 * 86_400_000 - 86_400_000 // 2
"""A day's run begins some seconds earlier or later than the one before."""


class Shortfall(msgspec.Struct, frozen=True):
    """What Jira counts or names and does not give, as it may of what the account may not see.

    Attributes:
        figures: How much it is.
        since: When the first run began that found it so, epoch ms.
        runs: How many runs did.
    """

    figures: str
    since: int
    runs: int = 1

    def has_stayed(self, now: int) -> bool:
        """Return whether it was the same for so long that it is taken to be hidden from the account."""
        return self.runs >= _STAYED_RUNS and 0 < self.since <= now - _STAYED_MS


class Moved(msgspec.Struct, frozen=True):
    """What a run reads that does not read its whole window: what moved since, and what could not be read before.

    Attributes:
        issues: Since when issues have to have moved, epoch ms.
        worklogs: From when the feed of touched worklogs is read, epoch ms.
        deletions: The same of the feed of deleted ones.
        deletions_due: Whether that feed is to be read whatever is found.
        issue_ids: Issues to be read whether they moved or not.
        worklog_ids: The same of worklogs.
    """

    issues: int
    worklogs: int
    deletions: int
    issue_ids: list[int] = []
    worklog_ids: list[int] = []
    deletions_due: bool = True


class Checkpoint(msgspec.Struct, kw_only=True):
    """A run of one site.

    Attributes:
        whole: Whether it does all that a day's run does: both parts, and at least the default window.
        began: When it began, at the earliest, epoch ms; 0 where Jira did not tell the time.
        basis: Who asks which site how, see `basis_of`; empty where that is not known.
        zone: Time zone of the account that asks.
        covers: Whether it reads the activity of at least the default window, or all of it that moved.
        moved: What it reads; None for the whole window.
        roles_due: Whether it is to read the project roles.
        roles_read: Whether it read them.
        place: Where it stood when it was begun or gone on with last.
        tries: How often it was begun or gone on with there.
        read_since: From when on the runs before had read the site's days without a hole, epoch ms; 0 for never.
        unfinished: Whether the records have yet to reach the warehouse, or the touched days to be rebuilt.
        stood: Shortfalls as the runs before left them, but for those that Jira gave since.
        shortfalls: Those that this run found.
    """

    format: int = _FORMAT
    site: str
    run_id: str
    started_at: int
    window: Window
    parts: list[Part]
    whole: bool = False
    began: int = 0
    basis: str = ""
    zone: str | None = None
    covers: bool = False
    moved: Moved | None = None
    roles_due: bool = True
    roles_read: bool = False
    directory_done: bool = False
    issues: IssuesCursor = msgspec.field(default_factory=IssuesCursor)
    worklogs: FeedCursor = msgspec.field(default_factory=FeedCursor)
    deletions: FeedCursor = msgspec.field(default_factory=FeedCursor)
    found: Found = msgspec.field(default_factory=Found)
    stats: Stats = msgspec.field(default_factory=Stats)
    missing: list[str] = []
    gaps: list[Gap] = []
    notes: list[str] = []
    resumed: int = 0
    place: str = ""
    tries: int = 0
    read_since: int = 0
    unfinished: bool = False
    stood: dict[str, Shortfall] = {}
    shortfalls: dict[str, Shortfall] = {}

    def standing(self) -> dict[str, Shortfall]:
        """Return the shortfalls that there are now; one that reads all has seen them all."""
        return {**self.stood, **self.shortfalls} if self.moved else self.shortfalls


HIDDEN = "stayed as they are for two weeks and are taken to be hidden from the account"
"""Of the note that names them."""


def notes_with_hidden(run: Checkpoint) -> list[str]:
    """Return the run's notes, with one of the shortfalls that are no gap any more, if there are any."""
    hidden = [f"{what} ({one.figures})" for what, one in run.standing().items() if one.has_stayed(run.began)]
    named = ", ".join(hidden[:_IDS_NAMED]) + (", …" if len(hidden) > _IDS_NAMED else "")
    notes = [note for note in run.notes if HIDDEN not in note]
    return [*notes, f"{len(hidden)} shortfalls {HIDDEN}: {named}"] if hidden else notes


_TRIES_AT_ONE_PLACE = 3
_TOO_OLD_MS = 86_400_000


def place_of(run: Checkpoint) -> str:
    """Return how far a run is, in a form to be compared."""
    return repr((run.directory_done, run.issues, run.worklogs, run.deletions))


def why_new(left: Checkpoint, now: int) -> str | None:
    """Return why a new run should take the place of an interrupted one; None where that is to go on.

    Its window ends when it began: gone on with for ever, it would keep the days since from being read.

    Args:
        left: The interrupted run.
        now: The present, epoch ms.
    """
    if now - left.started_at >= _TOO_OLD_MS:
        return "it is a day old"
    if left.tries >= _TRIES_AT_ONE_PLACE and left.place == place_of(left):
        return f"it failed {left.tries} times at the same place"
    return None


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Return the checkpoint of an interrupted run; None when there is none.

    Raises:
        CheckpointError: It cannot be read.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Checkpoint, dec_hook=_counted)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise CheckpointError(
            f"the checkpoint {path} cannot be read ({type(error).__name__}); run again without --resume"
        ) from error
    if found.format != _FORMAT:
        raise CheckpointError(f"the checkpoint {path} is another version's; run again without --resume")
    return found


def _counted(kind: type, value: Any) -> Any:
    """Read a Counter, which msgspec writes but does not read."""
    if get_origin(kind) is Counter and isinstance(value, dict):
        return Counter(value)
    raise NotImplementedError(kind)


_State = TypeVar("_State", bound=msgspec.Struct)


def write_state(path: Path, state: msgspec.Struct) -> None:
    """Replace a file of what is remembered in one step: after a crash there is the old one or the new one.

    Raises:
        CheckpointError: It cannot be written.
    """
    try:
        replace_file(path, msgspec.json.encode(state))
    except OSError as error:
        raise CheckpointError(f"cannot write {path} ({error.strerror}); free the disk") from error


def read_state(path: Path, kind: type[_State]) -> _State | None:
    """Return what is remembered; None when nothing is, or when it cannot be read: then the site is read once more."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return None


class LastRun(msgspec.Struct, frozen=True):
    """The last run that was a whole day's and read all activity it could.

    Attributes:
        began: When it began, epoch ms.
        unfinished: Whether trying again soon may bring what it lacks; what Jira refuses is no reason.
        missing: What it could not read, a sentence each.
        complete: When the last one that lacked nothing began, itself or one before, epoch ms; 0 when none is known.
    """

    began: int
    unfinished: bool
    missing: list[str] = []
    complete: int = 0


def last_run_of(run: Checkpoint, before: LastRun | None) -> LastRun | None:
    """Return what to remember of a run that ended, after the one before; None when it was less than a whole day's."""
    complete = run.started_at if not run.missing else before.complete if before else 0
    return LastRun(run.started_at, run.unfinished, run.missing, complete) if run.whole else None


def read_last_run(folder: Path, site: str) -> LastRun | None:
    """Return the site's last run; see `read_state`."""
    return read_state(folder / f"{site}.last", LastRun)


def keep_last_run(folder: Path, site: str, last: LastRun) -> None:
    """Remember a run. Raises CheckpointError."""
    write_state(folder / f"{site}.last", last)
