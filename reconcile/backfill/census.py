"""The census: the ids of all candidates, 5,000 a page, which what the search brought is held against; and their query.

A search may skip a page, or end early, and look like success. What the census lists and the search did not bring is
requested by id; what Jira then does not give, though another census still lists it, is missing. The census begins with
the newest issue and the search with the oldest: where both are cut, each has what the other lacks.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from reconcile.backfill.context import GONE, BackfillContext
from reconcile.client.endpoints import SEARCH
from reconcile.client.jira_errors import (
    AccountRefusedError,
    JiraError,
    JiraRefusedError,
    JiraUnavailableError,
    PagingError,
)
from reconcile.client.paging import SeenTokens
from reconcile.responses import SearchPage
from rollcall.errors import WarehouseUnavailableError
from rollcall.facts import moment_or_none, read_issue
from rollcall.jira.values import id_or_zero
from rollcall.logs import logger

log = logger(__name__)

ISSUE = "issue"
"""What is refused where a search does not give an issue."""
NOT_GIVEN = "Jira lists it and does not give it"

_IDS_A_PAGE = 5_000
"""Issues a page with nothing but the id (OpenAPI file)."""
_FEWEST_IDS = 50
_LIST = "the list of all issues, which the search is held against,"
_LATE = 50
"""Issues that may move after they were listed."""
_BARREN_PAGES = 20
"""Pages in a row that bring nothing new, after which a list is held to be endless."""
_MANY_PAGES = 20_000
"""More pages of ids than any site has."""
_GOOD_PAGES = 5


def candidates(since: int, now: int, zone_name: str | None) -> str:
    """Return the query.

    Args:
        since: From when, epoch ms; cut to the minute.
        now: Jira's present, epoch ms; used where the zone is not known.
        zone_name: Time zone of the account; None when Jira does not give it. Where it is not known on this machine,
            as without time zone data, it counts for nothing.
    """
    # In order of creation, which never changes: by `updated`, issues would jump pages while they are read.
    if zone_name is None:
        minutes = (now - since) // 60_000 + 2
        return f'updated >= "-{minutes}m" ORDER BY created ASC'
    try:
        zone = ZoneInfo(zone_name)
    except (KeyError, ValueError, OSError):
        log.warning(
            "the account's time zone is not known here; install the tzdata package, or set the account's profile to "
            "UTC; until then Jira is asked by minutes before its present",
            zone=zone_name[:64],
        )
        return candidates(since, now, None)
    local = datetime.fromtimestamp(since / 1000, UTC).astimezone(zone)
    # An hour that the clocks repeat in autumn could be read as the later one; the one before it cannot.
    while local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset():
        local = (local.astimezone(UTC) - timedelta(minutes=30)).astimezone(zone)
    return f'updated >= "{local:%Y-%m-%d %H:%M}" ORDER BY created ASC'


class PageSize:
    """How many issues a page is asked for: halved where Jira fails, doubled again after some pages that went well.

    Args:
        largest: Where it begins; a size that failed twice is not tried again.
        least: Below this it does not go.
    """

    def __init__(self, largest: int, least: int = 1) -> None:
        self.size = largest
        self._largest, self._least = largest, least
        self._failed: list[int] = []
        self._good = 0

    def shrink(self) -> bool:
        """Halve it; return False where that is not possible."""
        if self.size <= self._least:
            return False
        if self.size in self._failed:
            self._largest = self.size // 2
        self._failed.append(self.size)
        self.size = max(self._least, self.size // 2)
        self._good = 0
        return True

    def went_well(self) -> None:
        """Hear of a page that Jira gave."""
        self._good += 1
        if self._good >= _GOOD_PAGES:
            self._good, self.size = 0, min(self._largest, self.size * 2)


def may_be_too_large(error: JiraError) -> bool:
    """Return whether a smaller page may fare better."""
    if isinstance(error, JiraUnavailableError) and error.limited:
        return False
    return not isinstance(error, PagingError | AccountRefusedError)


class _IssueId(msgspec.Struct, frozen=True):
    id: int | str


_ISSUE_ID = msgspec.json.Decoder(_IssueId)


async def take_census(context: BackfillContext) -> None:
    """List the candidates; where that fails, nobody knows whether all were found, and that is a gap.

    Raises:
        JiraError: Jira is away, or no longer takes the account.
    """
    cursor = context.checkpoint.issues
    try:
        await _list(context)
        if not cursor.expected and await _last_move(context) >= _since(context):
            await _list(context)
            if not cursor.expected:
                raise JiraRefusedError(f"{SEARCH.name}: the list is empty though an issue moved since then")
    except JiraError as error:
        await context.tolerate(error)
        cursor.expected = 0
        context.note(_LIST, error)
    if moved := context.checkpoint.moved:
        context.state.spool.list_issues(moved.issue_ids)
    cursor.counted = True


async def _list(context: BackfillContext) -> None:
    cursor, spool = context.checkpoint.issues, context.state.spool
    spool.forget_census()
    cursor.expected = barren = 0
    async for ids in _listed(context, cursor.jql.replace("created ASC", "created DESC")):
        before, cursor.expected = cursor.expected, spool.list_issues(ids)
        barren = barren + 1 if cursor.expected == before else 0
        if barren >= _BARREN_PAGES:
            raise PagingError(f"{SEARCH.name}: the list of ids does not end")


async def _last_move(context: BackfillContext) -> int:
    """Return when any issue moved last, epoch ms.

    Raises:
        JiraRefusedError: Jira lists no issue of whatever time: then the account may see none.
    """
    jql = 'updated >= "1970-01-02" ORDER BY updated DESC'
    request = {"jql": jql, "fields": ["updated"], "maxResults": 1}
    page = await context.jira.read(SearchPage, SEARCH, body=request, attempts=context.attempts(ISSUE))
    if not page.issues:
        raise JiraRefusedError(f"{SEARCH.name}: Jira lists no issue at all; may the account see the projects?")
    return moment_or_none(read_issue(page.issues[0]).fields.updated) or 0


def _since(context: BackfillContext) -> int:
    moved = context.checkpoint.moved
    return moved.issues if moved else context.facts.window.since - context.overlap_ms


async def _first(context: BackfillContext, jql: str) -> list[int]:
    request = {"jql": jql, "fields": ["id"], "maxResults": 1}
    page = await context.jira.read(SearchPage, SEARCH, body=request, attempts=context.attempts(ISSUE))
    return [number for element in page.issues[:1] if (number := _id(element))]


async def _listed(context: BackfillContext, jql: str) -> AsyncIterator[list[int]]:
    body: dict[str, object] = {"jql": jql, "fields": ["id"]}
    size, tokens = PageSize(_IDS_A_PAGE, _FEWEST_IDS), SeenTokens(SEARCH)
    while True:
        attempts = context.attempts(ISSUE)
        try:
            request = {**body, "maxResults": size.size}
            page = await context.jira.read(SearchPage, SEARCH, body=request, attempts=attempts)
        except JiraError as error:
            if may_be_too_large(error) and size.shrink():
                continue
            raise
        size.went_well()
        ids = [number for element in page.issues if (number := _id(element))]
        if page.issues and not ids:
            raise JiraRefusedError(f"{SEARCH.name}: Jira lists issues without their ids")
        yield ids
        if not page.next_page_token:
            return
        body["nextPageToken"] = tokens.check(page.next_page_token, page.keys)


def _id(element: msgspec.Raw) -> int:
    try:
        return id_or_zero(_ISSUE_ID.decode(element).id)
    except (ValueError, RecursionError):
        return 0


async def still_listed(context: BackfillContext, jql: str, ids: set[int]) -> set[int]:
    """Return which of these issues Jira lists now; all of them where it lists nothing.

    Raises:
        JiraError: Jira is away, or no longer takes the account.
    """
    found: set[int] = set()
    barren, most_barren = 0, context.checkpoint.issues.expected / _FEWEST_IDS + _BARREN_PAGES
    if context.checkpoint.moved:
        most_barren = _MANY_PAGES
    try:
        async for some in _listed(context, jql):
            before = len(found)
            found |= ids.intersection(some)
            barren = barren + 1 if len(found) == before else 0
            if found == ids or barren > most_barren:
                break
    except JiraError as error:
        await context.tolerate(error)
        return ids
    return found


async def settle_refusals(context: BackfillContext, jql: str) -> set[int]:
    """Name the issues that Jira lists and no search gave, and return those whose comments have yet to be read.

    Issues that it no longer lists are gone or hidden, and counted as skipped.

    Args:
        context: The run's context.
        jql: Finds all issues that there may be refusals of.

    Raises:
        JiraError: Jira is away, or no longer takes the account.
    """
    refusals = context.state.spool.refusals()
    if not refusals:
        return set()
    doubtful = {number for number, _, _ in refusals}
    listed = await still_listed(context, jql, doubtful)
    context.skip(f"issues {GONE}", len(doubtful - listed))
    for number, what, reason in refusals:
        if number in listed and what == ISSUE:
            context.note(ISSUE, reason, [number])
    return listed


async def compare_numbers(context: BackfillContext) -> None:
    """Take a census anew that lacks what the search brought, and name it where it lacks that again.

    It lists the newest issues first and the search gives the oldest, so that the two lack others where both are cut.

    Raises:
        JiraError: Jira is away, or no longer takes the account.
    """
    if any(gap.what == _LIST for gap in context.checkpoint.gaps) or not (lacking := await _lacking(context)):
        return
    cursor = context.checkpoint.issues
    if not cursor.recounted:
        cursor.recounted = True
        await take_census(context)
        lacking = await _lacking(context) if cursor.expected else ""
    if lacking:
        context.note(_LIST, lacking)
        cursor.expected = 0


async def _lacking(context: BackfillContext) -> str:
    """Return in words what a census lacks; one issue or another may have moved since."""
    expected, spool, moved = context.checkpoint.issues.expected, context.state.spool, context.checkpoint.moved
    known = spool.known_issues() - (len(moved.issue_ids) if moved else 0)  # they stand in no census
    if _is_short(expected, known):
        return f"the search found {known} issues where Jira lists {expected}; run it again later"
    try:
        oldest = await _first(context, context.checkpoint.issues.jql) if spool.unlisted_issues() else []
    except JiraError as error:
        await context.tolerate(error)
        return str(error)
    if all(spool.is_listed(one) for one in oldest):
        return ""
    return f"{SEARCH.name}: the list ends after {expected} issues and lacks the oldest"


def _is_short(expected: int, known: int) -> bool:
    return known > expected * 1.05 + (_LATE if expected else 0)


_KNOWN_AT_A_TIME = 20_000


async def count_gone(context: BackfillContext) -> None:
    """Say how many issues that earlier runs read the census of a whole window no longer lists.

    They were deleted or archived, or are hidden from the account now. Nobody did that as far as REST knows, and what
    was done in them before did happen: their facts stay.
    """
    cursor, publisher = context.checkpoint.issues, context.publisher
    gone = deleted = after = 0
    try:
        while publisher.existing and cursor.expected:
            since = context.facts.window.since
            known = await publisher.existing.issues(context.checkpoint.site, since, after, _KNOWN_AT_A_TIME)
            if not known:
                break
            after = known[-1].issue_id
            missing = context.state.spool.not_listed(one.issue_id for one in known)
            gone += len(missing)
            deleted += sum(one.deleted for one in known if one.issue_id in missing)
    except WarehouseUnavailableError:
        return  # it is no condition, and is asked again a week later
    if gone:
        told = f" ({deleted} of them deleted as webhooks said)" if deleted else ""
        words = f"{gone} issue{'s' * (gone > 1)} of these days that Jira no longer lists{told}; their facts stay"
        context.checkpoint.notes = [note for note in context.checkpoint.notes if _GONE not in note] + [words]


_GONE = "that Jira no longer lists"
