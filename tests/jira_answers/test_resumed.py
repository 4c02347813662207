"""A run that is cut off and gone on with notices what one in a single piece notices, wherever it was cut."""

from collections import Counter
from functools import partial
from pathlib import Path

import httpx
import pytest

from reconcile.run import RunOptions

from .faults import CHANGELOGS, COMMENTS, DELETED, SEARCH, WORKLOGS, Case, at, nulled
from .in_process import WEEK, Fault, endpoint_of, read_under
from .well_looking_ways import embedded

pytestmark = pytest.mark.anyio

ACTIVITY = RunOptions(WEEK, ("activity",))
SILENT = [Case(f"{most} comments of each", partial(at, SEARCH, embedded(most)), code=0) for most in (0, 1)]
NOBODY = Case(
    "nobody worked",
    lambda: at(WORKLOGS, nulled("author", "updateAuthor")),
    "who made the worklogs could not be read",
    {"worklog"},
)


def cut_off(fault: Fault, endpoint: str, answered: int) -> Fault:
    """Let Jira go away as a whole once that endpoint has answered so often and is asked again."""
    asked, away = Counter[str](), list[None]()

    def change(request: httpx.Request, given: httpx.Response) -> httpx.Response | Exception:
        asked[endpoint_of(request)] += 1
        if asked[endpoint] > answered and (away or endpoint_of(request) == endpoint):
            away.append(None)
            return httpx.ConnectError("gone")
        return fault(request, given)

    return change


@pytest.mark.parametrize(
    ("case", "endpoint", "answered"),
    [
        (SILENT[0], SEARCH, 1),
        (SILENT[0], CHANGELOGS, 0),
        (SILENT[0], SEARCH, 2),  # that for the newest changes, with which those are compared
        (SILENT[0], COMMENTS, 0),  # which is asked on suspicion
        (SILENT[1], COMMENTS, 4),
        (SILENT[1], SEARCH, 4),
        (NOBODY, DELETED, 0),
    ],
    ids=lambda one: one.name if isinstance(one, Case) else str(one),
)
async def test_a_run_that_is_gone_on_with_is_as_good_as_one_in_a_piece(
    tmp_path: Path, case: Case, endpoint: str, answered: int
) -> None:
    cut = await read_under(cut_off(case.fault(), endpoint, answered), tmp_path, options=ACTIVITY, attempts=1)
    assert cut.run is None
    came = await read_under(case.fault(), tmp_path, options=ACTIVITY, resume=True)
    assert came.run
    assert came.run.resumed == 1
    assert case.words in came.words
    assert (came.code, came.families() <= case.loses) == (case.code, True)
    came.assert_honest()
