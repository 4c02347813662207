"""Other ways to answer badly: each costs what it costs and is named, and whatever else there is, lands.

A run ends after a bounded number of requests, says 0 only where nothing is missing, and stops only where the account
is refused or the site is away.
"""

import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import anyio
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .faults import MYSELF, Case, first
from .in_process import Fault, read_under
from .ways import WAYS

pytestmark = pytest.mark.anyio


def cases() -> Iterator[object]:
    """Yield all cases; of those alike but for the endpoint the first two, and the others in long runs."""
    kinds = Counter[str]()
    for case in WAYS:
        kind = case.name.partition(": ")[0]
        kinds[kind] += 1
        yield pytest.param(case, id=case.name, marks=[pytest.mark.soak] if kinds[kind] > 2 else [])


@pytest.mark.parametrize("case", list(cases()))
async def test_it_costs_what_it_costs_and_is_named(tmp_path: Path, case: Case) -> None:
    came = await read_under(case.fault(), tmp_path, options=case.options)
    assert re.search(case.words, came.words), came.words
    assert came.code == case.code, came.words
    came.assert_honest()
    assert came.asked.total() <= case.most, came.asked
    if came.run:
        assert came.families() <= case.loses
        assert came.lost_rows.keys() <= case.loses


def together(faults: Sequence[Fault]) -> Fault:
    """Let one fault after the other change an answer; what one made of it may leave the next one nothing to change."""

    def change(request: httpx.Request, given: httpx.Response) -> httpx.Response | Exception:
        for fault in faults:
            try:
                changed = fault(request, given)
            except (ValueError, TypeError, AttributeError, LookupError):
                continue
            if isinstance(changed, Exception):
                return changed
            given = changed
        return given

    return change


@st.composite
def some_faults(draw: st.DrawFn) -> list[tuple[Case, bool]]:
    """One to three cases, and of each whether it passes."""
    drawn = draw(st.lists(st.sampled_from(WAYS), min_size=1, max_size=3, unique_by=lambda case: case.name))
    return [(case, draw(st.booleans())) for case in drawn]


async def hold(drawn: list[tuple[Case, bool]]) -> None:
    """Assert that nothing is missing and unsaid, and of single faults that they cost no more than they may."""
    faults = [first(2, case.fault()) if passes else case.fault() for case, passes in drawn]
    with tempfile.TemporaryDirectory() as folder:
        came = await read_under(together(faults), Path(folder))
    came.assert_honest()
    if came.run and len(drawn) == 1:
        [(case, _)] = drawn
        assert came.families() <= case.loses
        assert came.lost_rows.keys() <= case.loses
    if not came.run:
        # The account was refused, or nothing answered that could tell who it is.
        refused = [case for case, _ in drawn if case.code == 1 or case.endpoint in ("", MYSELF)]
        assert refused, came.words


MET = [
    ["an object for a list: POST /search/jql (ids only)", "everything twice"],
    ["null for a list: POST /worklog/list", "odd elements: POST /worklog/list"],
    ["a page before the first answer", "a mark of byte order", "every search ends after 50 issues"],
    ["two pages in turns", "odd elements: GET /issue/{}/comment", "comments left out of a page"],
    ["brotli: GET /group/bulk", "UTF-16"],
]
"""What a soak met: one fault has another's answer before it."""


@pytest.mark.parametrize("names", MET, ids=" and ".join)
async def test_faults_that_meet(names: list[str]) -> None:
    await hold([(case, False) for case in WAYS if case.name in names])


async def test_an_empty_list_and_an_empty_search_in_passing() -> None:
    """Both are answers to the same question, so that a third one has to tell."""
    names = ["408 in passing", "no search finds anything"]
    await hold([(case, case.name == names[1]) for name in names for case in WAYS if case.name == name])


@settings(max_examples=12, deadline=None, derandomize=True, database=None)
@given(some_faults())
def test_up_to_three_faults_together(drawn: list[tuple[Case, bool]]) -> None:
    anyio.run(hold, drawn)


@pytest.mark.soak
@settings(max_examples=3_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(some_faults())
def test_up_to_three_faults_together_at_length(drawn: list[tuple[Case, bool]]) -> None:
    anyio.run(hold, drawn)


async def test_a_well_behaved_site_is_read_whole(tmp_path: Path) -> None:
    came = await read_under(None, tmp_path)
    assert (came.code, came.lost, came.lost_rows) == (0, {}, {})
    assert len(came.wanted) > 100
    assert came.asked.total() < 60
