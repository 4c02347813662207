"""The watermark of a site: how far the runs so far have read it, and so what the next one has to read.

A run begins where the last one began that lacked nothing, less an overlap: what moved while it ran, or stood in no
search index yet, is read again. What could not be read is looked at again: by its id, or from where the watermark stood
before. What changes without moving `updated` is found by the whole run, which reads all of the window, once a week.

All times are Jira's own, epoch ms. Where they are not those of this machine, either may be wrong: its clock may be days
off, or a proxy may hold an answer's `Date` for weeks. So that nothing is missed, the present is then both.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec

from reconcile.client.endpoints import SERVER_INFO
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import JiraError
from reconcile.responses import Myself, ServerInfo
from reconcile.state.checkpoint import Checkpoint, Gap, Moved, Shortfall, read_state, write_state
from reconcile.state.run_state import state_folder
from reconcile.state.window import Window, WindowRequest
from rollcall.clock import now_ms
from rollcall.jira.values import parse_jira_time
from rollcall.logs import logger
from rollcall.settings import ReconcileSettings, Settings

log = logger(__name__)

_DAY_MS = 86_400_000
_EARLY_MS = _DAY_MS // 2
"""How much less than its days may have passed: a run begins some seconds earlier or later each day."""


_CLOCKS_MS = 120_000
"""By how much clocks may differ."""
_ABSURD_MS = 30 * _DAY_MS
"""A difference at which an answer's date is more likely a slip than the time, unless Jira says the same twice."""


class Present(NamedTuple):
    """A site's present, epoch ms: at the earliest, at the latest, and whether Jira told it."""

    earliest: int
    latest: int
    told: bool


async def present_of(site: str, jira: JiraClient) -> Present:
    """Return a site's present by the `Date` of the latest answer, and where that differs by this machine's clock, too.

    Args:
        site: Name of the site in the settings, for the log.
        jira: Has asked something already.
    """
    ours, theirs = now_ms(), jira.present
    if theirs is None or abs(theirs - ours) > _ABSURD_MS:
        try:
            again = parse_jira_time((await jira.read(ServerInfo, SERVER_INFO, attempts=2)).server_time)
            said_twice = theirs is not None and abs(again - theirs) <= _CLOCKS_MS
            if abs(again - ours) > _ABSURD_MS and not said_twice:
                raise ValueError("a clock that is a month off")
        except (JiraError, ValueError) as error:
            log.warning("Jira does not tell the time; this machine's is taken", site=site, cause=str(error))
            return Present(ours, ours, told=False)
        theirs = again
    if abs(theirs - ours) <= _CLOCKS_MS:
        return Present(theirs, theirs, told=True)
    seconds = round((theirs - ours) / 1000)
    log.warning("the clocks of Jira and of this machine differ; `rollcall check` says more", site=site, seconds=seconds)
    if abs(theirs - ours) > _ABSURD_MS:
        return Present(theirs, theirs, told=True)
    return Present(min(theirs, ours), max(theirs, ours), told=True)


class Watermark(msgspec.Struct, frozen=True, kw_only=True):
    """How far a site was read.

    Attributes:
        basis: Who asked which site how; see `basis_of`.
        zone: Time zone of the account that asked.
        whole_at: When the last run began that read the whole window.
        issues: Whatever moved before was read, but for `issue_ids`; 0 for never.
        worklogs: The same by the feed of touched worklogs, but for `worklog_ids`.
        deletions: The same by the feed of deleted worklogs.
        issue_ids: Issues of which something could not be read.
        worklog_ids: The same of worklogs.
        roles_at: When the project roles were read last; 0 for never, or not all of them.
        roles_basis: Who asked for them.
        newest: When the latest act happened that the warehouse has of REST; 0 where that is not known. A warehouse
            that has none as late is another one, or an older state of it.
        shortfalls: What Jira counts or names and does not give, by what it is.
        read_since: From when on the site's days were read without a hole; 0 for never.
    """

    basis: str = ""
    zone: str | None = None
    whole_at: int = 0
    issues: int = 0
    worklogs: int = 0
    deletions: int = 0
    issue_ids: list[int] = []
    worklog_ids: list[int] = []
    roles_at: int = 0
    roles_basis: str = ""
    newest: int = 0
    shortfalls: dict[str, Shortfall] = {}
    read_since: int = 0


def basis_of(settings: Settings, site: str, account: Myself | None) -> str:
    """Return what a watermark holds for: another account sees other issues, other days are another window.

    Args:
        settings: The settings.
        site: The site's name in them.
        account: Who asks; None where Jira does not say, and then nothing is known to hold.
    """
    if account is None or not account.account_id:
        return ""
    who = [settings.sites[site].url, account.account_id, account.time_zone]
    return f"{_settings_part(settings, site)}-{_digest(who)}"  # nobody's id lies in the file


def is_of_settings(watermark: Watermark, settings: Settings, site: str) -> bool:
    """Return whether a watermark holds as far as the settings go; whether for the account, too, Jira alone says."""
    return watermark.basis.startswith(f"{_settings_part(settings, site)}-")


def _settings_part(settings: Settings, site: str) -> str:
    one = settings.sites[site]
    return _digest([one.url, one.timezone, settings.reconcile.days])


def _digest(what: Sequence[object]) -> str:
    return hashlib.sha256(msgspec.json.encode(what)).hexdigest()


def worklogs_from(watermark: Watermark, settings: ReconcileSettings) -> int:
    """Return from when a run of what moved reads the feed of touched worklogs at the latest, epoch ms."""
    return max(0, watermark.worklogs - _ms(settings.moved_overlap_hours))


def moved_since(
    watermark: Watermark | None, basis: str, now: int, window: Window, settings: ReconcileSettings
) -> Moved | None:
    """Return what a run of the default window has to read; None for all of it.

    Args:
        watermark: How far the runs before came.
        basis: What holds now.
        now: Jira's present, at the latest.
        window: The run's window.
        settings: How far to go back, and how often to read all.
    """
    if watermark is None or not basis or watermark.basis != basis or _is_due(watermark.whole_at, now, settings):
        return None
    if max(watermark.issues, watermark.worklogs, watermark.deletions) > now:  # a clock went back
        return None
    overlap, first = _ms(settings.moved_overlap_hours), window.since - _ms(settings.overlap_hours)
    if watermark.issues - overlap <= first:
        return None
    return Moved(
        watermark.issues - overlap,
        max(worklogs_from(watermark, settings), first),
        max(watermark.deletions - overlap, window.since - 1),
        watermark.issue_ids,
        watermark.worklog_ids,
        # Where the last whole run could not read it; else the next whole run does, for it names nobody.
        deletions_due=watermark.deletions < watermark.whole_at,
    )


def shortfalls_of(watermark: Watermark | None, basis: str) -> dict[str, Shortfall]:
    """Return the shortfalls as the runs before left them; another account may see other things."""
    return dict(watermark.shortfalls) if watermark and basis and watermark.basis == basis else {}


def read_before(watermark: Watermark | None, basis: str, window: Window) -> int:
    """Return from when on the runs before had read the site's days up to a window without a hole; 0 for never.

    Args:
        watermark: How far they came.
        basis: What holds now.
        window: The default one, of now.
    """
    if watermark is None or not basis or watermark.basis != basis or watermark.issues < window.since:
        return 0
    return watermark.read_since


def read_since(run: Checkpoint) -> int:
    """Return from when on the site's days are read without a hole once a run is through, epoch ms; 0 for never.

    Issues that could not be read, and are named, are no hole: the run names them as missing.
    """
    lost = any(gap.of == "issues" and (gap.count > len(gap.ids) or not gap.ids) for gap in run.gaps)
    if "activity" not in run.parts or not run.basis or not run.began or lost:
        return run.read_since
    if run.covers and not run.read_since:
        return run.window.since
    adjoins = run.window.since < run.read_since <= run.window.until
    return run.window.since if adjoins else run.read_since


def lookback(settings: Settings, name: str) -> WindowRequest | None:
    """Return the days of a site to be read next beyond those of each run, once; None where there are none left.

    Nobody is called idle for days that were never read. So when the default window is whole, the days before it are
    read, back to the longest threshold of `seats`: newest first, each time as many as are read by then, since every
    span lists all issues that moved since its beginning. One that is not through, such as where the search failed, is
    the next one again; what failed of single issues does not keep the next from going further back.

    There is none until the default window was read whole, nor where runs have no folder to remember it in.

    Args:
        settings: The settings.
        name: Name of the site in them.
    """
    folder = state_folder(settings)
    read = read_watermark(folder, name) if folder else None
    if read is None or not read.read_since or not is_of_settings(read, settings, name):
        return None
    zone = settings.sites[name].zone()
    # Jira's present, as the last run had it.
    first, today = (datetime.fromtimestamp(at / 1000, zone).date() for at in (read.read_since, read.issues))
    wanted = today - timedelta(days=settings.seats.longest_idle_days - 1)
    if first <= wanted:
        return None
    known = max((today - first).days + 1, 1)
    begin, end = (datetime.combine(day, time()) for day in (max(wanted, first - timedelta(days=known)), first))
    return WindowRequest(since=begin, until=end)


def roles_due(watermark: Watermark | None, basis: str, now: int, settings: ReconcileSettings) -> bool:
    """Return whether the project roles are to be read again."""
    return (
        watermark is None or watermark.roles_basis != basis or not basis or _is_due(watermark.roles_at, now, settings)
    )


def _is_due(last: int, now: int, settings: ReconcileSettings) -> bool:
    return not 0 <= now - last < settings.whole_days * _DAY_MS - _EARLY_MS


def _ms(hours: float) -> int:
    return int(hours * 3_600_000)


def watermark_after(run: Checkpoint, before: Watermark | None, *, read: bool, newest: int = 0) -> Watermark:
    """Return how far a site was read once a run is through.

    Args:
        run: The run.
        before: How far it was read before.
        read: Whether all that it read but for its gaps is in the warehouse.
        newest: When the latest act happened that the warehouse has of REST; 0 where that is not known.
    """
    before = before or Watermark()
    if "directory" in run.parts and run.roles_due:
        at = run.window.until if run.began and run.roles_read else 0
        before = msgspec.structs.replace(before, roles_at=at, roles_basis=run.basis)
    if read and run.basis and before.basis == run.basis:
        before = msgspec.structs.replace(before, read_since=read_since(run))
    if not (run.covers and run.began and run.basis and read):
        return before
    held = before if before.basis == run.basis else Watermark()
    lost = {gap.of for gap in run.gaps if gap.count > len(gap.ids) or not gap.ids}
    # No later than the window's end: what happened after it was not taken.
    began = min(run.began, run.window.until)
    return msgspec.structs.replace(
        before,
        basis=run.basis,
        zone=run.zone,
        newest=newest,
        # By the later clock, for what a proxy holds does not go on, and the next whole run would never be due.
        whole_at=held.whole_at if run.moved or "issues" in lost else run.window.until,
        issues=held.issues if "issues" in lost else began,
        worklogs=held.worklogs if "worklogs" in lost else began,
        deletions=began if run.deletions.read and "deletions" not in lost else held.deletions,
        issue_ids=_ids(run.gaps, "issues"),
        worklog_ids=_ids(run.gaps, "worklogs"),
        shortfalls=run.standing(),
        read_since=read_since(run),
    )


def _ids(gaps: list[Gap], of: str) -> list[int]:
    return sorted({one for gap in gaps if gap.of == of for one in gap.issues or gap.ids})


def read_watermark(folder: Path, site: str) -> Watermark | None:
    """Return how far a site was read; None where nothing is remembered, or it cannot be read: then all is read."""
    return read_state(_file(folder, site), Watermark)


def keep_watermark(folder: Path, site: str, watermark: Watermark) -> None:
    """Remember how far a site was read. Raises CheckpointError."""
    write_state(_file(folder, site), watermark)


def _file(folder: Path, site: str) -> Path:
    return folder / f"{site}.watermark"
