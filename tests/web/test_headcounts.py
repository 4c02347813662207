"""Head counts of the last 30 days, against counting the people of each day."""

from datetime import timedelta

from console.web.overview import CHART_DAYS, DayCount, read_headcounts

from .serving import Served


def test_days_weeks_and_months_are_counted_people(companies: Served) -> None:
    counts = companies.ask(read_headcounts(companies.warehouse, "acme"))
    rows = companies.ask(
        companies.warehouse.query("SELECT * FROM user_days WHERE site = 'acme' AND account_type = 'atlassian'")
    )
    assert len(counts.days) == CHART_DAYS
    for count in counts.days:
        of_day = [row for row in rows if row["day"] == count.day]
        families = (sum(row[family] for row in of_day) for family in ("comment", "history", "worklog"))
        assert count == DayCount(count.day, len(of_day), *families)
    for span, told in ((1, counts.today), (7, counts.week), (30, counts.month)):
        first = counts.day - timedelta(days=span - 1)
        assert told == len({row["account_id"] for row in rows if first <= row["day"] <= counts.day})


def test_the_days_before_are_compared_once_all_are_known(companies: Served) -> None:
    """The company is known since 44 days: all of the week before, and not all of the month before."""
    counts = companies.ask(read_headcounts(companies.warehouse, "acme"))
    rows = companies.ask(
        companies.warehouse.query("SELECT * FROM user_days WHERE site = 'acme' AND account_type = 'atlassian'")
    )
    before = [counts.day - timedelta(days=days) for days in range(7, 14)]
    assert counts.week_before == len({row["account_id"] for row in rows if row["day"] in before}) > 0
    assert counts.month_before is None
    borealis = companies.ask(read_headcounts(companies.warehouse, "borealis"))
    assert borealis.week_before is not None, "known since 14 days, all of which that is"
    assert companies.ask(read_headcounts(companies.warehouse, "cumulus")).week_before is None


def test_before_the_first_activity_nothing_is_known(companies: Served) -> None:
    counts = companies.ask(read_headcounts(companies.warehouse, "borealis"))
    assert [count.active for count in counts.days] == [None] * (CHART_DAYS - 14) + [1] * 14
    empty = companies.ask(read_headcounts(companies.warehouse, "cumulus"))
    assert not empty.known
    assert (empty.today, empty.week, empty.month) == (0, 0, 0)
