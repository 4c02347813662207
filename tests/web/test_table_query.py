"""What an address asks for, and the addresses that links lead to."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.web.people import LONGEST_SEARCH, Show, Sort, TableQuery

_VIEWS = st.builds(
    TableQuery,
    site=st.just("acme"),
    search=st.text(st.characters(exclude_categories=["Cc", "Cs", "Z"]), max_size=20),
    show=st.sampled_from(Show),
    sort=st.sampled_from(Sort),
    descending=st.booleans(),
    page=st.integers(1, 1000),
)


def read(link: str) -> TableQuery:
    parts = urlsplit(link)
    assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("", "", "/", "people")
    return TableQuery.read("acme", dict(parse_qsl(parts.query)))


@given(_VIEWS)
def test_a_link_leads_to_its_view(view: TableQuery) -> None:
    assert read(view.link()) == view


@given(_VIEWS, st.sampled_from(Sort))
def test_a_column_sorts_and_then_turns(view: TableQuery, column: Sort) -> None:
    once = read(view.sorted_by(column))
    twice = read(once.sorted_by(column))
    assert once.sort is twice.sort is column
    assert once.descending is not twice.descending
    assert once.page == twice.page == 1
    assert once.search == view.search


@given(st.dictionaries(st.sampled_from(["q", "show", "sort", "page"]), st.text(max_size=30)))
def test_any_address_is_some_view(query: dict[str, str]) -> None:
    view = TableQuery.read("acme", query)
    assert view.page >= 1
    assert read(view.link()) == view


def test_what_is_not_understood_is_not_there() -> None:
    plain = TableQuery("acme")
    strange = {"show": "everybody", "sort": "-password", "page": "-1"}
    assert TableQuery.read("acme", strange) == TableQuery.read("acme", {"page": "٣"}) == plain
    assert TableQuery.read("acme", {"page": "999999999"}).page == 100_000


def test_a_search_is_bounded_and_without_controls() -> None:
    assert TableQuery.read("acme", {"q": " a\x00\t\ud800b \n"}).search == "a b"
    assert len(TableQuery.read("acme", {"q": "x" * 5000}).search) == LONGEST_SEARCH


@pytest.mark.parametrize("column", [Sort.ACTIVE_DAYS, Sort.LAST_ACTIVITY])
def test_numbers_begin_with_the_largest_and_words_with_a(column: Sort) -> None:
    assert read(TableQuery("acme", sort=Sort.NAME).sorted_by(column)).descending
    assert not read(TableQuery("acme").sorted_by(Sort.NAME)).descending
