"""Comment deletions whose changelog entry does not say which comment: told from the webhook's word, or not at all.

The webhook of a deletion names the comment and nobody; the entry names the deleter and, on such a site, no comment.
Where on one issue exactly one deletion and one entry lie within seconds of each other, they are the same act.
Anything less certain stays without an actor: nothing is guessed.
"""

from reconcile.backfill.work import Work
from reconcile.facts.histories import Nameless
from reconcile.known import Deletion
from rollcall.errors import WarehouseUnavailableError
from rollcall.records import Activity

NEAR_MS = 5_000

_SKIPPED = "comment deletions that do not say which comment"


async def named_deletions(work: Work, nameless: list[Nameless]) -> list[Activity]:
    """Return the deletions that can be told, with who deleted; the others are counted as skipped."""
    known: list[Deletion] = []
    if work.outbox.known:
        try:
            issues = {one.place.issue_id for one in nameless}
            known = list(await work.outbox.known.nameless_deletions(work.checkpoint.site, issues))
        except WarehouseUnavailableError:
            work.outbox.known = None
    facts = []
    for one in nameless:
        near = [deletion for deletion in known if _same(one, deletion)]
        if len(near) == 1 and sum(_same(other, near[0]) for other in nameless) == 1:
            facts.append(work.maker.fact(near[0].event_key, "comment", "deleted", one.who, one.at, one.place))
        else:
            work.skip(_SKIPPED)
    return facts


def _same(one: Nameless, deletion: Deletion) -> bool:
    return one.place.issue_id == deletion.issue_id and abs(one.at - deletion.at) <= NEAR_MS
