"""Changelogs of many issues at once: the changes, and the deletions of comments and worklogs that they name.

A ``*_deleted`` webhook names no actor. In REST the deletion writes an entry (Atlassian docs, captures): field Comment
or WorklogId with ``from`` set and ``to`` empty, by whoever deleted. Whether ``from`` holds a comment's id on every site
is not known. Where it does not, the webhook's word is taken: it names the comment and nobody. Where on one issue
exactly one deletion and one entry lie within seconds of each other, they are the same act. Anything less certain stays
without an actor: nothing is guessed.

An issue without history is absent from the answer, and so is one that was left out. What came is therefore held against
the issue's own ``updated``, which every entry moves. Comments and much else move it too, so that a difference is only a
reason to look: at the newest entries as a search embeds them, a hundred issues at once, and at the one issue alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from reconcile.backfill.context import UNREADABLE_ERRORS, BackfillContext, WindowFacts, lacks_id, read_in_halves
from reconcile.client.endpoints import CHANGELOG, CHANGELOGS, SEARCH
from reconcile.client.jira_errors import JiraError, NotThereError
from reconcile.client.paging import SeenTokens, by_offset, decoded_elements
from reconcile.publisher import Deletion
from reconcile.responses import (
    CHANGES,
    HISTORIES,
    HISTORY,
    WITH_HISTORIES,
    ChangelogEntries,
    ChangelogPage,
    Changes,
    History,
    SearchPage,
)
from reconcile.state.run_state import Move
from rollcall.errors import OlderThanJiraError, WarehouseUnavailableError
from rollcall.facts import Issue, actor, changes_of, moment_of, moment_or_none
from rollcall.identity import EntityKind
from rollcall.jira.values import Account, ChangelogItem, IssueRef, field_id, id_or_zero, is_given, read_or_none
from rollcall.records import Activity

_ENTITIES: dict[str, EntityKind] = {"comment": "comment", "worklogid": "worklog"}


class Nameless(NamedTuple):
    """A comment deletion that does not say which comment: on which issue, when, by whom."""

    ref: IssueRef
    at: int
    who: Account


@dataclass(slots=True)
class HistoryFacts:
    """What an entry holds.

    Attributes:
        facts: Its facts.
        worklogs: Ids of worklogs it added or edited.
        deleted_worklogs: Ids of worklogs it deleted.
        nameless: Comment deletions without the comment's id.
    """

    facts: list[Activity] = field(default_factory=list)
    worklogs: list[int] = field(default_factory=list)
    deleted_worklogs: list[int] = field(default_factory=list)
    nameless: list[Nameless] = field(default_factory=list)


def history_facts(facts: WindowFacts, history: History, ref: IssueRef) -> HistoryFacts:
    """Return what a changelog entry holds; nothing when it lies outside the window.

    Raises:
        NotUnderstoodError: Its id, its ``created``, its author or its list of items is none, or it is of the future.
    """
    found = HistoryFacts()
    try:
        at = moment_of("created", history.created)
    except OlderThanJiraError:
        return found
    if not facts.holds_moment(at):
        return found
    items = changes_of(history.items)
    change = facts.maker.issue_changed(history.id, at, history.author, ref, items)
    if facts.holds(change):
        found.facts.append(change)
    for item in items:
        kind = _ENTITIES.get(field_id(item))
        if kind and item.removes:
            _deletion(facts, found, kind, item, Nameless(ref, at, actor(history.author)))
        elif kind == "worklog" and (number := id_or_zero(item.new_id)):
            found.worklogs.append(number)
    return found


def _deletion(
    facts: WindowFacts, found: HistoryFacts, kind: EntityKind, item: ChangelogItem, nameless: Nameless
) -> None:
    ref, at, who = nameless
    if number := id_or_zero(item.old_id):
        found.facts.append(facts.maker.entity_deleted(kind, number, at, ref, who))
        if kind == "worklog":
            found.deleted_worklogs.append(number)
    elif kind == "comment" and who.account_id:
        found.nameless.append(nameless)


NEAR_MS = 5_000

_SKIPPED = "comment deletions that do not say which comment"


async def named_deletions(context: BackfillContext, nameless: list[Nameless]) -> list[Activity]:
    """Return the deletions that can be recognized, with who deleted; the others are counted as skipped."""
    known: list[Deletion] = []
    if context.publisher.existing:
        try:
            issues = {one.ref.issue_id for one in nameless}
            known = list(await context.publisher.existing.nameless_deletions(context.checkpoint.site, issues))
        except WarehouseUnavailableError:
            context.publisher.existing = None
    facts = []
    for one in nameless:
        near = [deletion for deletion in known if _same(one, deletion)]
        if len(near) == 1 and sum(_same(other, near[0]) for other in nameless) == 1:
            facts.append(context.facts.maker.entity_deleted("comment", near[0].comment_id, one.at, one.ref, one.who))
        else:
            context.skip(_SKIPPED)
    return facts


def _same(one: Nameless, deletion: Deletion) -> bool:
    return one.ref.issue_id == deletion.issue_id and abs(one.at - deletion.at) <= NEAR_MS


MOST_ISSUES = 1000
_MOST_HISTORIES = 10_000
"""In one request, and on one page of its answer (OpenAPI file)."""
_FEW_HISTORIES = 1_000


CHANGES_OF = "changes of issue"


async def pending_changelogs(context: BackfillContext) -> dict[int, tuple[int, int]]:
    """Request the changelogs of the pending issues, page by page, take the facts in them, and see what was left out.

    There is no filter by date; issues without history, and those gone since, are simply absent. The issues stay
    pending until what is returned of them was looked at, so that a run that ends meanwhile begins with them.

    Returns:
        By issue, of those that moved later than anything that is known of them: when that was, and when they moved.

    Raises:
        JiraError: Jira is away, or no longer takes the account.
    """
    cursor = context.checkpoint.issues
    ids = cursor.pending[:MOST_ISSUES]
    places = context.state.spool.places(ids)

    async def ask(some: list[int], attempts: int) -> None:
        whole = some == ids
        token = cursor.changelog_token if whole else None
        if not token:
            context.state.spool.forget_entries(some)
        seen_tokens = SeenTokens(CHANGELOGS, token)
        # A history too long for one answer is read in smaller pages, once the issue is alone.
        most = _MOST_HISTORIES if len(some) > 1 else _FEW_HISTORIES
        body: dict[str, object] = {"issueIdsOrKeys": [str(one) for one in some], "maxResults": most}
        while True:
            if token:
                body["nextPageToken"] = token
            page = await context.jira.read(ChangelogPage, CHANGELOGS, body=body, attempts=attempts)
            await _take_page(context, page, places)
            if not page.next_page_token:
                return
            token = seen_tokens.check(page.next_page_token, page.keys)
            if whole:
                cursor.changelog_token = token
                await context.save()

    failed = await read_in_halves(context, CHANGES_OF, ids, ask)
    for one, error in failed.items():
        context.note(CHANGES_OF, error, [one])
    silent = await _Comparison(context, places).make([one for one in ids if one not in failed])
    cursor.changelog_token = None
    await context.save()
    return silent


_CAPS = (20, 25, 40, 50, 100)
"""Where the entries that come with an issue may be cut, so that a total of just so many is not taken at its word."""


def all_changes(changelog: msgspec.Raw, created: int, since: int) -> list[msgspec.Raw] | None:
    """Return the entries that came with an issue; None where they may not be all, or say nothing of why it moved.

    How many come is not documented; they come newest first, so that what reaches back far enough lacks nothing new.

    Args:
        changelog: As Jira sent it with the issue.
        created: When the issue was created, epoch ms; 0 where that is not known.
        since: What was read before may be cut off, epoch ms.
    """
    found = read_or_none(CHANGES, changelog)
    if found is None or found.total != len(found.histories):
        return None
    if not found.histories:
        return [] if created >= since else None
    if len(found.histories) in _CAPS:
        oldest = read_or_none(HISTORY, found.histories[-1])
        try:
            if oldest is None or moment_of("created", oldest.created) >= since:
                return None
        except UNREADABLE_ERRORS:
            return None
    return found.histories


def move_of(issue: Issue, said: int) -> Move | None:
    """Return that an issue was changed since it was made; None where it was not, or does not say.

    Args:
        issue: As Jira sent it.
        said: When the newest comment that came with it was made or edited, epoch ms.
    """
    created, updated = (moment_or_none(part) for part in (issue.fields.created, issue.fields.updated))
    return Move(updated, said) if updated and updated != created else None


async def _take_page(context: BackfillContext, page: ChangelogPage, places: dict[int, IssueRef]) -> None:
    came: dict[int, tuple[int, int]] = {}
    for issue in decoded_elements(HISTORIES, page.issue_change_logs, context.unreadable):
        issue_id = id_or_zero(issue.issue_id)
        times = await take_histories(context, issue.change_histories, places.get(issue_id, IssueRef(issue_id)))
        number, newest = came.get(issue_id, (0, 0))
        came[issue_id] = number + len(times), max(newest, *times, 0)
    context.state.spool.count_entries(came)


async def take_histories(context: BackfillContext, histories: Sequence[msgspec.Raw], at: IssueRef) -> list[int]:
    """Take the facts of some of an issue's entries; return when each was made, epoch ms, 0 where that is not said."""
    nameless: list[Nameless] = []
    named: dict[int, int] = {}
    deleted: list[int] = []
    times: list[int] = []
    for history in decoded_elements(HISTORY, histories, context.unreadable):
        times.append(moment_or_none(history.created) or 0)
        try:
            found = history_facts(context.facts, history, at)
        except UNREADABLE_ERRORS:
            context.unreadable()
            found = HistoryFacts()
        # The change is one without its fields, too; but what it deleted or logged stands in them.
        if any(lacks_id(fact, history.author) for fact in found.facts) or (found.facts and not is_given(history.items)):
            context.unreadable()
        nameless += found.nameless
        named |= dict.fromkeys(found.worklogs, at.issue_id)
        deleted += found.deleted_worklogs
        await context.publisher.add(found.facts)
    spool = context.state.spool
    if named:
        spool.name_worklogs(named)
    if deleted:
        spool.name_deleted(deleted)
    if nameless:
        await context.publisher.add(await named_deletions(context, nameless))
    return times


_AT_ONCE = 100
"""Issues a page with any field but id and key (OpenAPI file)."""
_ENTRIES_A_PAGE = 100
"""Entries of one issue at most (measured by others)."""
_MOST_ALONE = 100
"""Issues a run asks for one by one though it is known that something of theirs was left out."""
_MOST_ON_SUSPICION = 20
"""The same where nothing says so but that they moved."""
_LATE_MS = 1_000
"""An entry is made some ms after the ``updated`` that it goes with (captures), and bulk times may be whole seconds."""
_TOO_OFTEN = 3

_ALL_CHANGES = "all changes"
_LEFT_OUT = f"{CHANGELOGS.name} leaves some out; those that other answers have were taken, others may be missing"


class _Comparison:
    """Holds what changelog/bulkfetch gave against what the issues and other answers say.

    Looked at are the issues that were changed later than their newest entry, unless by a comment, or that have none.
    As many others as fill the last page come along, those with such a comment first.

    Args:
        context: The run's context.
        places: Where facts of the issues belong.
    """

    def __init__(self, context: BackfillContext, places: dict[int, IssueRef]) -> None:
        self._context = context
        self._places = places

    async def make(self, ids: list[int]) -> dict[int, tuple[int, int]]:
        """Look at these issues; what was left out is taken, and where that cannot be done it is a gap.

        Returns those that moved without a word: when what is known of each happened, and when it moved, epoch ms.
        """
        silent: dict[int, tuple[int, int]] = {}
        moves = self._context.state.spool.moves(ids)
        chosen = [one for one, move in moves.items() if move.is_unexplained]
        others = sorted(moves.keys() - set(chosen), key=lambda one: moves[one].updated <= moves[one].newest)
        chosen += others[: -len(chosen) % _AT_ONCE if chosen else _AT_ONCE]
        for start in range(0, len(chosen), _AT_ONCE):
            some = chosen[start : start + _AT_ONCE]
            given = self._context.given_changes
            unasked = [one for one in some if one not in given]
            told = {**given, **(await self._newest(unasked) if unasked else {})}
            for one in some:
                await self._look_at(one, moves[one], told.get(one))
                times = [_moment(entry) for entry in told[one].histories] if one in told else []
                known = max(moves[one].newest, moves[one].said, *times, 0)
                if known + _LATE_MS < moves[one].updated and self._context.facts.window.holds(moves[one].updated):
                    silent[one] = known, moves[one].updated + _LATE_MS
        return silent

    async def _newest(self, ids: list[int]) -> dict[int, Changes]:
        """Return the newest entries of issues, as far as a search gives them."""
        context, tokens = self._context, SeenTokens(SEARCH)
        jql = f"id in ({', '.join(map(str, ids))})"
        body: dict[str, object] = {"jql": jql, "fields": ["updated"], "expand": "changelog", "maxResults": len(ids)}
        found: dict[int, Changes] = {}
        while context.failures[SEARCH.name] < _TOO_OFTEN:
            try:
                page = await context.jira.read(SearchPage, SEARCH, body=body, attempts=1)
                for issue in decoded_elements(WITH_HISTORIES, page.issues, lambda: None):
                    if issue.changelog:
                        found[id_or_zero(issue.id)] = issue.changelog
                if not page.next_page_token:
                    context.failures[SEARCH.name] = 0
                    break
                body["nextPageToken"] = tokens.check(page.next_page_token, page.keys)
            except JiraError as error:
                await context.tolerate(error)
                context.failures[SEARCH.name] += 1
                break
        return found

    async def _look_at(self, issue: int, move: Move, told: Changes | None) -> None:
        cursor = self._context.checkpoint.issues
        if told is None:
            if move.is_unexplained and cursor.asked_alone < _MOST_ON_SUSPICION:
                await self._alone(issue, move, known=False)
        elif _is_left_out(move, [_moment(one) for one in told.histories], told.total):
            if told.total is not None and told.total <= len(told.histories):
                await take_histories(self._context, told.histories, self._place(issue))
                self._tell()
            elif cursor.asked_alone < _MOST_ALONE:
                await self._alone(issue, move, known=True)
            else:
                self._context.note(CHANGES_OF, f"{CHANGELOGS.name} leaves some out", [issue])

    async def _alone(self, issue: int, move: Move, *, known: bool) -> None:
        """Read all entries of one issue.

        Args:
            issue: Its id.
            move: What is known of it.
            known: Whether some are known to have been left out, so that it is a gap where they cannot be read.
        """
        context = self._context

        async def ask(start: int) -> ChangelogEntries:
            query = {"startAt": start, "maxResults": _ENTRIES_A_PAGE}
            attempts = context.attempts(CHANGELOG.name)
            return await context.jira.read(ChangelogEntries, CHANGELOG, issue, query=query, attempts=attempts)

        context.checkpoint.issues.asked_alone += 1
        times: list[int] = []
        try:
            async for page in by_offset(CHANGELOG, ask):
                times += await take_histories(context, page.values, self._place(issue))
        except JiraError as error:
            await context.tolerate(error)
            context.failures[CHANGELOG.name] += 1
            if known and not isinstance(error, NotThereError):
                context.note(CHANGES_OF, error, [issue])
        else:
            context.failures[CHANGELOG.name] = 0
        if _is_left_out(move, times):
            self._tell()

    def _place(self, issue: int) -> IssueRef:
        return self._places.get(issue, IssueRef(issue))

    def _tell(self) -> None:
        self._context.note(_ALL_CHANGES, _LEFT_OUT, of="")


def _moment(entry: msgspec.Raw) -> int:
    try:
        return moment_or_none(HISTORY.decode(entry).created) or 0
    except (ValueError, RecursionError):
        return 0


def _is_left_out(move: Move, times: list[int], total: int | None = None) -> bool:
    """Return whether an issue has entries that did not come.

    Args:
        move: What came.
        times: When its entries were made, as another answer has them, epoch ms.
        total: How many there are, where that answer has not all.
    """
    early = [at for at in times if at <= move.updated + _LATE_MS]  # later ones were made since
    later = len(times) - len(early)
    return max(early, default=0) > move.newest + _LATE_MS or max(len(times), total or 0) - later > move.entries
