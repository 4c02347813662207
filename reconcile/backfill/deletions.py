"""Deleted worklogs that no changelog entry named: known to be gone, and not through whom."""

from reconcile.backfill.work import Work
from reconcile.backfill.worklogs import following, read_feed
from reconcile.client.endpoints import WORKLOGS_DELETED
from reconcile.client.errors import PagingError
from reconcile.client.paging import MOST_PAGES
from reconcile.facts.maker import Place
from reconcile.shapes.entries import WorklogFeed
from rollcall import identity
from rollcall.records import Activity


async def deleted_worklogs(work: Work) -> None:
    """Take the feed of deleted worklogs: ids and times, without an actor (OpenAPI file).

    Raises:
        JiraError: Jira could not be asked, or its feed does not end.
    """
    place = work.checkpoint.deletions
    since = place.since if place.since is not None else work.maker.window.since - 1
    done = 0
    for _ in range(MOST_PAGES):
        if place.read:
            break
        page = await work.jira.read(WorklogFeed, WORKLOGS_DELETED, query={"since": since})
        entries = read_feed(work, page.values)
        facts = _facts(work, entries)
        await work.outbox.add(facts)
        done += len(facts)
        since, place.read = following(page, since, max((at for _, at in entries), default=0))
        place.since = since
        await work.save()
    else:
        raise PagingError(f"{WORKLOGS_DELETED.name}: the feed does not end")
    place.done = True
    await work.save()
    work.progress.end("deleted worklogs without an actor", done)


def _facts(work: Work, entries: list[tuple[int, int]]) -> list[Activity]:
    inside = {number: at for number, at in entries if work.maker.window.holds(at)}
    named = work.memory.spool.named_deleted(inside)
    return [
        work.maker.fact(identity.deleted("worklog", number), "worklog", "deleted", None, at, Place())
        for number, at in inside.items()
        if number not in named
    ]
