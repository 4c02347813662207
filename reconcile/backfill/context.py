"""The context of a backfill: what every step works with, and what all facts of a run share.

Facts of comments and worklogs are made here, as both steps do: added by the author, last edited by the updateAuthor.
REST knows the last edit only; those between are gone, and with them who made them.

Many things are requested at once here, and where that fails fewer, down to the one that is to blame.
"""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from reconcile.client.endpoints import MYSELF, Endpoint
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import AccountRefusedError, JiraError, JiraUnavailableError
from reconcile.progress import Progress
from reconcile.publisher import FactPublisher
from reconcile.responses import Changes, WorklogFeed
from reconcile.state.checkpoint import Checkpoint, Found, Gap, Shortfall
from reconcile.state.run_state import RunState
from reconcile.state.window import Window
from rollcall.errors import NotUnderstoodError, OlderThanJiraError
from rollcall.facts import AHEAD_MS, Entity, FactMaker, Issue
from rollcall.identity import EntityKind
from rollcall.jira.values import ABSENT, IssueRef, is_given, read_or_none
from rollcall.logs import logger
from rollcall.records import Activity

log = logger(__name__)


class WindowFacts:
    """Makes the facts of one run and knows which of them count.

    Args:
        site: Name of the site in the settings.
        window: Facts outside of it do not count.
        learned_at: When the run learns them, epoch ms.
        now: Jira's present, epoch ms; 0 where it is not known.
        found: Counts the facts in the window that name who did it, and those that name nobody.

    Attributes:
        maker: Makes facts.
        window: As above.
    """

    def __init__(self, site: str, window: Window, learned_at: int, now: int = 0, found: Found | None = None) -> None:
        self.maker = FactMaker(site, "reconcile", learned_at)
        self.window = window
        self._found = found or Found()
        self._latest = max(window.until, learned_at, now) + AHEAD_MS

    def holds(self, fact: Activity, how: str = "") -> bool:
        """Return whether a fact lies in the window.

        Args:
            fact: The fact.
            how: How it came, for one answer may name everybody where another names nobody.

        Raises:
            NotUnderstoodError: It lies in the future: that is no time of what has happened.
        """
        inside = self.holds_moment(fact.occurred_at)
        if inside:
            (self._found.credited if fact.account_id else self._found.nameless)[how + kind_of(fact)] += 1
        return inside

    def holds_moment(self, at: int) -> bool:
        """Return whether something happened in the window; raises as `holds`."""
        if at > self._latest:
            raise NotUnderstoodError("implausible_time", "A time lies in the future.")
        return self.window.holds(at)


def kind_of(fact: Activity) -> str:
    """Return what kind of thing a fact tells, in the plural."""
    if fact.family == "history":
        return "new issues" if fact.action == "created" else "changes"
    return f"{fact.family}s" if fact.action == "created" else f"edits of {fact.family}s"


UNREADABLE_ERRORS = (NotUnderstoodError, RecursionError)
"""What making a fact raises where Jira's answer has a form that is not known."""


def creation(facts: WindowFacts, issue: Issue, ref: IssueRef) -> Activity | None:
    """Return the fact of creating the issue, by its creator (who may differ from the reporter), if in the window.

    Raises:
        NotUnderstoodError: Its id, its ``created`` or its creator is none.
    """
    try:
        fact = facts.maker.issue_created(ref, issue.fields.created, issue.fields.creator)
    except OlderThanJiraError:
        return None  # before any window
    return fact if facts.holds(fact) else None


COME_ALONG = "embedded "


def entity_facts(
    facts: WindowFacts, kind: EntityKind, entity: Entity, issue: IssueRef, unreadable: Callable[[], None], how: str = ""
) -> list[Activity]:
    """Return the facts of a comment or worklog that lie in the window.

    Each is made by itself: what spoils one does not spoil the other, for an old comment may be edited lately.

    Args:
        facts: Makes them.
        kind: What it is.
        entity: The comment or worklog.
        issue: Where it belongs.
        unreadable: Called once when not all could be made.
        how: How it came, see `WindowFacts.holds`.
    """
    acts: list[Callable[[EntityKind, Entity, IssueRef], Activity | None]] = [facts.maker.entity_created]
    # Most were never edited, and have the same words for both times.
    if is_given(entity.updated) and bytes(entity.updated) != bytes(entity.created):
        acts.append(facts.maker.entity_updated)
    made, failed = [], False
    for act in acts:
        try:
            fact = act(kind, entity, issue)
            inside = fact is not None and facts.holds(fact, how)
        except OlderThanJiraError:
            continue  # before any window, whatever else of it is of use
        except UNREADABLE_ERRORS:
            failed = True
        else:
            if fact and inside:
                made.append(fact)
                failed |= lacks_id(fact, entity.author if fact.action == "created" else entity.updateAuthor)
    if failed:
        unreadable()
    return made


class _Identified(msgspec.Struct, frozen=True):
    accountId: msgspec.Raw = ABSENT  # noqa: N815 - Jira's own name


_IDENTIFIED: msgspec.json.Decoder[_Identified] = msgspec.json.Decoder(_Identified)


def lacks_id(fact: Activity, person: msgspec.Raw) -> bool:
    """Return whether a fact is nobody's though Jira names somebody, without saying who: an anonymous act has nobody."""
    if fact.account_id or not is_given(person):
        return False
    found = read_or_none(_IDENTIFIED, person)
    return found is None or not is_given(found.accountId)


_MANY_NAMELESS = 5
"""Facts that nobody is named for; of worklogs a single one, for nobody logs work without logging in."""
_MOST_SHORTFALLS = 1_000
"""More are not remembered, and stay gaps."""
FEW_ATTEMPTS = 3
"""Tries of a request that smaller ones can make up for."""
_HOPELESS = 10
"""Failures in a row after which one try has to do."""
_TIMES_OVER = re.compile(r", \d+ times over")


def reason_of(error: JiraError | str) -> str:
    """Return why something is missing, without the remedy of a run that stops and alike for all that lacks for it."""
    return _TIMES_OVER.sub("", str(error).partition("; try later with --resume")[0])


class FeedPage(NamedTuple):
    """A page of the feed of touched worklogs that came already, and the ``since`` that it was requested with."""

    since: int
    page: WorklogFeed


@dataclass(frozen=True, slots=True)
class BackfillContext:
    """What every step of a backfill works with.

    Attributes:
        jira: Asks Jira.
        facts: Makes facts.
        publisher: Takes facts to the log.
        state: Remembers on disk.
        checkpoint: How far the run is.
        progress: Shows how far the run is.
        overlap_ms: How far before the window candidates are searched.
        probe: Asked whether Jira still answers at all.
        first_page: Of the feed of touched worklogs, where it came already.
        failures: How often each kind of thing failed since one of it could be read.
        given_changes: By issue, what came with it where it may not be all.
    """

    jira: JiraClient
    facts: WindowFacts
    publisher: FactPublisher
    state: RunState
    checkpoint: Checkpoint
    progress: Progress
    overlap_ms: int
    probe: Endpoint = MYSELF
    first_page: FeedPage | None = None
    failures: Counter[str] = field(default_factory=Counter)
    given_changes: dict[int, Changes] = field(default_factory=dict)

    async def tolerate(self, error: JiraError) -> None:
        """Return where an error is about what was requested alone, after Jira was asked whether that is so.

        Raises:
            JiraError: Jira is away, or no longer takes the account: then nothing else could be read either.
        """
        if isinstance(error, AccountRefusedError):
            raise error
        if isinstance(error, JiraUnavailableError):
            await self.jira.ask(self.probe)

    def attempts(self, what: str) -> int:
        """Return how many tries a request is worth that smaller ones, or the next run, can make up for."""
        return 1 if self.is_hopeless(what) else FEW_ATTEMPTS

    def is_hopeless(self, what: str) -> bool:
        """Return whether so many of this kind failed in a row that the endpoint itself seems to be out of order."""
        return self.failures[what] >= _HOPELESS

    def note(
        self,
        what: str,
        error: JiraError | str,
        ids: Iterable[int] = (),
        of: str = "issues",
        found_by: Mapping[int, int] | None = None,
    ) -> None:
        """Name something as missing.

        Args:
            what: Its kind, which ends in a noun where there are ids.
            error: Why it could not be read.
            ids: Which of them; none where the kind says it all.
            of: What it belongs to, see `Gap`.
            found_by: For ids that are no issues', the issue by which each is to be looked for again.
        """
        reason = reason_of(error)
        gaps = self.checkpoint.gaps
        gap = next((one for one in gaps if (one.what, one.reason) == (what, reason)), None)
        if gap is None:
            gap = Gap(what, reason, of=of)
            self.checkpoint.gaps = [*gaps, gap]
            log.warning("something could not be read from Jira", site=self.checkpoint.site, what=what, cause=reason)
        for one in ids:
            gap.add(one, found_by[one] if found_by else 0)

    def fall_short(self, what: str, number: int, figures: str, error: JiraError | str, issue: int = 0) -> None:
        """Name something of which Jira gives less than it counts or names, unless that has stayed the same for long.

        Args:
            what: Its kind, which ends in a noun where it has an id.
            number: Its id; 0 where the kind says it all.
            figures: How much is lacking.
            error: Why it counts as missing.
            issue: Where the id is no issue's, the issue by which it is to be looked for again.
        """
        run, key = self.checkpoint, f"{what} {number}" if number else what
        before = run.stood.get(key)
        if before is None or before.figures != figures:
            before = Shortfall(figures, run.began, 0)
        now = Shortfall(figures, before.since, before.runs + 1)
        if len(run.shortfalls) < _MOST_SHORTFALLS:
            run.shortfalls[key] = now
        if not now.has_stayed(run.began):
            self.note(what, error, [number] if number else (), found_by={number: issue} if issue else None)

    def came(self, what: str, number: int) -> None:
        """Hear that Jira gave all of something."""
        self.checkpoint.stood.pop(f"{what} {number}", None)

    def name_the_nameless(self) -> None:
        """Name the kinds of facts of which not one names who did it, though there are some: that is more than chance.

        A single one may well be anonymous; without the names of all, nobody's activity is known.
        """
        found = self.checkpoint.found
        for kind in found.credited | found.nameless:
            what = f"who made the {kind}"
            if found.credited[kind]:
                self.checkpoint.stood.pop(what, None)
            elif found.nameless[kind] >= (1 if "worklog" in kind else _MANY_NAMELESS):
                self.fall_short(what, 0, "nobody named", "Jira names nobody for any of them")

    def skip(self, why: str, count: int = 1) -> None:
        """Count something that could not be read."""
        if count:
            self.checkpoint.found.skipped[why] += count

    def unreadable(self) -> None:
        """Count an element of a page that has no form that is known; the run is then incomplete."""
        self.skip(UNREADABLE)

    async def save(self) -> None:
        """Make what was found durable on the log, and only then move the checkpoint.

        Raises LogUnavailableError or CheckpointError.
        """
        await self.publisher.flush()
        self.checkpoint.stats = self.jira.stats
        self.state.keep(self.checkpoint)


UNREADABLE = "unreadable elements of Jira's answers"
GONE = "gone or hidden since they were listed"
"""Reasons of skips."""


Ask = Callable[[list[int], int], Awaitable[None]]
"""Requests things by id, with so many tries, and takes what comes."""

_WORTH_A_SAMPLE = 64
_SAMPLES = 32
"""Things asked one by one, spread over all, before the endpoint itself is held to be out of order."""
_SAMPLES_AGAIN = 8


async def read_in_halves(context: BackfillContext, what: str, ids: list[int], ask: Ask) -> dict[int, JiraError]:
    """Request things, and return those that could not be read, with why.

    A request for many may fail because they are too many, or because of one of them. So it is cut in halves until what
    is left is one thing. Where one after the other fails and none succeeds, some are tried that lie far apart, and when
    none of those can be read, the others are not asked: an endpoint that is out of order costs few requests. What is no
    smaller than a request that failed, while none of that size was answered, gets one try: its halves make up for it.

    Args:
        context: The run's context.
        what: The kind of thing, to remember between calls whether it can be read at all.
        ids: The things.
        ask: Requests some of them.

    Raises:
        JiraError: Jira is away, or no longer takes the account.
        LogUnavailableError: The log takes nothing.
    """
    failed: dict[int, JiraError] = {}
    done: set[int] = set()
    succeeded, in_order = False, not context.is_hopeless(what)
    fewest_failed, most_read = len(ids) + 1, 1
    waiting = [ids]
    while waiting:
        some = [one for one in waiting.pop() if one not in done]
        if not some:
            continue
        too_many = most_read < len(some) >= fewest_failed
        error = await _error_of(context, what, some, ask, 1 if too_many else FEW_ATTEMPTS)
        if error is None:
            done.update(some)
            succeeded, most_read = True, max(most_read, len(some))
            continue
        if _is_limited(error) and not too_many:
            # About us and not about what was requested: fewer things would fare no better.
            done.update(some)
            failed |= dict.fromkeys(some, error)
            continue
        if len(some) > 1:
            fewest_failed = min(fewest_failed, len(some))
        else:
            done.update(some)
            failed[some[0]] = error
        if not succeeded and (len(some) == 1 or not in_order):
            left = [one for one in ids if one not in done]
            if len(left) >= _WORTH_A_SAMPLE:
                for one in _spread(left, _SAMPLES if in_order else _SAMPLES_AGAIN):
                    done.add(one)
                    if sampled := await _error_of(context, what, [one], ask):
                        failed[one] = sampled
                    else:
                        succeeded = True
                if not succeeded:
                    return failed | dict.fromkeys((one for one in left if one not in done), error)
        if len(some) > 1:
            middle = len(some) // 2
            waiting += [some[middle:], some[:middle]]
    return failed


async def read_as_given(
    context: BackfillContext, what: str, ids: list[int], ask: Ask, given: Container[int]
) -> dict[int, JiraError]:
    """Request things as `read_in_halves` does, and what answers leave out again, as long as that brings any of it.

    They may be gone or hidden from the account; or an answer was cut without a word.

    Args:
        context: The run's context.
        what: The kind of thing.
        ids: The things.
        ask: Requests some of them.
        given: What came so far; `ask` adds to it.

    Raises:
        JiraError: Jira is away, or no longer takes the account.
        LogUnavailableError: The log takes nothing.
    """
    failed: dict[int, JiraError] = {}
    left, before = ids, len(ids) + 1
    while 0 < len(left) < before:
        before = len(left)
        failed |= await read_in_halves(context, what, left, ask)
        left = [one for one in left if one not in given and one not in failed]
    return failed


async def _error_of(
    context: BackfillContext, what: str, some: list[int], ask: Ask, most: int = FEW_ATTEMPTS
) -> JiraError | None:
    """Request some things, where it is one of them once more after an outage; return what went wrong."""
    waited = context.jira.stats.waits.total()
    error = await _error_of_one_try(context, what, some, ask, most)
    limited = most > 1 and error is not None and _is_limited(error)
    if error is None or (len(some) > 1 and not limited):
        return error
    asked = context.jira.stats.waits.total()
    await context.tolerate(error)
    if context.jira.stats.waits.total() > asked > waited:
        # Jira as a whole was away until now, so the thing may not be to blame.
        error = await _error_of_one_try(context, what, some, ask, most)
    if error is not None:
        context.failures[what] += _HOPELESS if limited else 1
    return error


def _is_limited(error: JiraError) -> bool:
    return isinstance(error, JiraUnavailableError) and error.limited


async def _error_of_one_try(
    context: BackfillContext, what: str, some: list[int], ask: Ask, most: int
) -> JiraError | None:
    try:
        await ask(some, min(most, context.attempts(what)))
    except JiraError as error:
        return error
    context.failures[what] = 0
    return None


def _spread(ids: list[int], most: int) -> list[int]:
    step = max(1, len(ids) // most)
    return ids[step // 2 :: step][:most]
