"""Bisection: many things are requested at once, and where that fails fewer, down to the one that is to blame."""

from collections.abc import Awaitable, Callable

from reconcile.backfill.context import BackfillContext
from reconcile.client.jira_errors import JiraError

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
    none of those can be read, the others are not asked: an endpoint that is out of order costs few requests.

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
    waiting = [ids]
    while waiting:
        some = [one for one in waiting.pop() if one not in done]
        if not some:
            continue
        error = await _error_of(context, what, some, ask)
        if error is None:
            done.update(some)
            succeeded = True
            continue
        if len(some) == 1:
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


async def _error_of(context: BackfillContext, what: str, some: list[int], ask: Ask) -> JiraError | None:
    """Request some things; return what went wrong."""
    waited = context.jira.stats.waits.total()
    try:
        await ask(some, context.attempts(what))
    except JiraError as error:
        found = error
    else:
        context.failures[what] = 0
        return None
    if len(some) > 1:
        return found
    asked = context.jira.stats.waits.total()
    await context.tolerate(found)
    if context.jira.stats.waits.total() > asked > waited:
        # Jira as a whole was away until now, so the thing may not be to blame.
        try:
            await ask(some, context.attempts(what))
        except JiraError as error:
            found = error
        else:
            context.failures[what] = 0
            return None
    context.failures[what] += 1
    return found


def _spread(ids: list[int], most: int) -> list[int]:
    step = max(1, len(ids) // most)
    return ids[step // 2 :: step][:most]
