"""The table of people: the warehouse's search, order and pages, against the same done here."""

from collections.abc import Callable
from typing import Any

import pytest

from console.web.people import PAGE_SIZE, People, PersonRow, Show, Sort, TableQuery, read_people

from .company import HOSTILE, PEOPLE
from .serving import Served


def everybody(served: Served, **view: Any) -> list[PersonRow]:
    """All pages of a view."""
    wanted = TableQuery("acme", **view)
    first = people(served, wanted)
    rows = list(first.rows)
    for page in range(2, first.pages + 1):
        rows += people(served, TableQuery("acme", **view, page=page)).rows
    assert len(rows) == first.total == len({row.account_id for row in rows})
    return rows


def people(served: Served, wanted: TableQuery) -> People:
    return served.ask(read_people(served.warehouse, wanted))


_KEYS: dict[Sort, Callable[[PersonRow], Any]] = {
    Sort.NAME: lambda row: row.name.lower(),
    Sort.EMAIL: lambda row: (row.email or "").lower(),
    Sort.LAST_ACTIVITY: lambda row: row.last_active_at.timestamp() if row.last_active_at else 0.0,
    Sort.ACTIVE_DAYS: lambda row: row.active_days,
    Sort.COMMENTS: lambda row: row.comments,
    Sort.CHANGES: lambda row: row.changes,
    Sort.WORKLOGS: lambda row: row.worklogs,
    Sort.LICENSES: lambda row: row.licenses,
    Sort.STATUS: lambda row: row.status,
}
_LACKING: dict[Sort, Callable[[PersonRow], bool]] = {
    Sort.EMAIL: lambda row: row.email is None,
    Sort.LICENSES: lambda row: not row.licenses,
}


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("sort", list(Sort))
def test_every_order_is_whole_and_stable(companies: Served, sort: Sort, descending: bool) -> None:
    rows = everybody(companies, sort=sort, descending=descending)
    expected = sorted(rows, key=lambda row: row.account_id)
    expected.sort(key=_KEYS[sort], reverse=descending)
    if sort in _LACKING:
        expected.sort(key=_LACKING[sort])
    assert rows == expected
    assert len(rows) == PEOPLE


@pytest.mark.parametrize("search", ["ada", "ADA", "@acme", "ed0042", "a", "%", "_", "*", "\\", "'", "Ada Hazel"])
def test_search_finds_what_holds_the_text(companies: Served, search: str) -> None:
    found = {row.account_id for row in everybody(companies, search=search)}
    held = search.lower()
    assert found == {
        row.account_id
        for row in everybody(companies)
        if held in row.name.lower() or held in (row.email or "").lower() or held in row.account_id.lower()
    }


@pytest.mark.parametrize("search", ["", "ada"])
def test_the_chips_promise_what_they_show(companies: Served, search: str) -> None:
    rows = everybody(companies, search=search)
    for show, told in ((Show.ALL, len(rows)), (Show.ACTIVE, sum(row.active_days > 0 for row in rows))):
        view = people(companies, TableQuery("acme", search=search, show=show))
        assert view.totals[show] == view.total == told
    unseen = everybody(companies, search=search, show=Show.UNSEEN)
    assert unseen == [row for row in rows if not row.active_days]


def test_behind_the_last_page_is_the_last_page(companies: Served) -> None:
    last = people(companies, TableQuery("acme", page=3))
    assert (last.pages, last.first, len(last.rows)) == (3, 2 * PAGE_SIZE + 1, PEOPLE - 2 * PAGE_SIZE)
    assert people(companies, TableQuery("acme", page=77)) == last
    nobody = people(companies, TableQuery("acme", search="nobody", page=7))
    assert (nobody.rows, nobody.total, nobody.pages, nobody.query.page) == ((), 0, 1, 1)


def test_one_site_knows_nothing_of_another(companies: Served) -> None:
    assert {row.account_id for row in people(companies, TableQuery("borealis")).rows} == set(HOSTILE)
    assert people(companies, TableQuery("cumulus")).total == 0


@pytest.mark.parametrize("key", [key for key in HOSTILE if key not in ("long", "words", "control")])
def test_hostile_text_is_a_value_and_not_sql(companies: Served, key: str) -> None:
    wanted = TableQuery.read("borealis", {"q": HOSTILE[key]})
    assert [row.account_id for row in people(companies, wanted).rows] == [key]
