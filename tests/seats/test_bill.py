"""Bills and savings: held against a count of seats one by one, and against the calendar day by day."""

import calendar
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.bill import Bill, bill_of, graduated, period_after, tiered
from rollcall.settings import ProductSettings

STEPS = [(100, Decimal("9.05")), (250, Decimal("6.70"))]
TIERS = [(100, Decimal(9500)), (200, Decimal(17500))]
TODAY = date(2026, 11, 27)

amounts = st.decimals(min_value=0, max_value=10_000, places=4)
ladders = st.dictionaries(st.integers(1, 400), amounts, min_size=1, max_size=6).map(lambda found: sorted(found.items()))


def half_up(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def price_of_seat(steps: list[tuple[int, Decimal]], number: int) -> Decimal:
    """What the seat of this number costs, from 1."""
    return next((price for upto, price in steps if number <= upto), steps[-1][1])


@given(ladders, st.integers(0, 600))
def test_a_graduated_bill_is_the_sum_over_its_seats(steps: list[tuple[int, Decimal]], seats: int) -> None:
    counted = sum((price_of_seat(steps, number) for number in range(1, seats + 1)), Decimal(0))
    assert graduated(steps, seats) == half_up(counted)


@given(ladders, st.integers(0, 600))
def test_a_tier_is_the_first_that_has_room(steps: list[tuple[int, Decimal]], seats: int) -> None:
    room = [price for upto, price in steps if upto >= seats]
    assert tiered(steps, seats) == (half_up(room[0]) if room else None)


@given(ladders, st.integers(0, 600), st.data())
def test_bill_less_bill_after_is_the_saving(steps: list[tuple[int, Decimal]], held: int, data: st.DataObject) -> None:
    freed = data.draw(st.integers(0, held))
    product = ProductSettings(currency="USD", price=steps)
    found = bill_of(product, held, freed, TODAY)
    assert found.now is not None
    assert found.after == graduated(steps, held - freed)
    assert found.saving == found.now - graduated(steps, held - freed)
    assert found.saving >= 0


@given(
    st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.sampled_from([1, 12])
)
def test_a_period_begins_where_the_calendar_says(first_day: date, today: date, months: int) -> None:
    found = period_after(first_day, today, months)
    assert found > today
    assert found >= first_day
    day = max(first_day, today + timedelta(days=1))
    while not begins(first_day, day, months):
        day += timedelta(days=1)
    assert found == day


def begins(first_day: date, day: date, months: int) -> bool:
    apart = (day.year - first_day.year) * 12 + day.month - first_day.month
    last = calendar.monthrange(day.year, day.month)[1]
    return apart >= 0 and apart % months == 0 and day.day == min(first_day.day, last)


@pytest.mark.parametrize(
    ("seats", "bill"),
    [(0, "0.00"), (1, "9.05"), (100, "905.00"), (101, "911.70"), (250, "1910.00"), (300, "2245.00")],
)
def test_the_contracts_prices(seats: int, bill: str) -> None:
    assert str(graduated(STEPS, seats)) == bill


@pytest.mark.parametrize(("seats", "bill"), [(1, 9500), (100, 9500), (101, 17500), (200, 17500), (201, None)])
def test_the_contracts_tiers(seats: int, bill: int | None) -> None:
    assert tiered(TIERS, seats) == bill


def test_a_half_cent_goes_up_and_never_to_the_even_one() -> None:
    assert graduated([(1, Decimal("0.125"))], 1) == Decimal("0.13")
    assert graduated([(1, Decimal("0.145"))], 1) == Decimal("0.15")
    assert tiered([(1, Decimal("2.675"))], 1) == Decimal("2.68")


def test_only_the_bill_is_rounded_not_each_seat() -> None:
    assert graduated([(1, Decimal("0.004"))], 3) == Decimal("0.01")


@pytest.mark.parametrize(
    ("renews", "today", "months", "found"),
    [
        (date(2026, 12, 14), date(2026, 11, 27), 1, date(2026, 12, 14)),
        (date(2026, 12, 14), date(2026, 12, 14), 1, date(2027, 1, 14)),
        (date(2026, 12, 14), date(2027, 3, 2), 1, date(2027, 3, 14)),
        (date(2026, 1, 31), date(2026, 2, 1), 1, date(2026, 2, 28)),
        (date(2026, 1, 31), date(2026, 2, 28), 1, date(2026, 3, 31)),
        (date(2024, 2, 29), date(2026, 11, 27), 12, date(2027, 2, 28)),
        (date(2026, 12, 14), date(2026, 12, 14), 12, date(2027, 12, 14)),
        (date(2027, 6, 1), date(2026, 11, 27), 1, date(2027, 6, 1)),
    ],
)
def test_the_first_day_that_saves(renews: date, today: date, months: int, found: date) -> None:
    assert period_after(renews, today, months) == found


def test_tiers_save_by_the_year_and_nothing_within_one() -> None:
    product = ProductSettings(currency="EUR", tiers=TIERS, renews=date(2026, 12, 14))
    within = bill_of(product, 95, 20, TODAY)
    assert within == Bill("EUR", "year", Decimal(9500), Decimal(9500), Decimal(0), date(2026, 12, 14))
    assert bill_of(product, 120, 20, TODAY).saving == 8000
    above = bill_of(product, 205, 20, TODAY)
    assert (above.now, above.after, above.saving) == (None, Decimal(17500), None)


@pytest.mark.parametrize("product", [None, ProductSettings(renews=date(2026, 12, 14))])
def test_without_prices_there_is_no_money(product: ProductSettings | None) -> None:
    assert bill_of(product, 10, 5, TODAY) == Bill(None, None, None, None, None, None)
