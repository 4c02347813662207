"""What seats cost, and what it saves to free some: in decimals, whole cents, a half cent up.

A price is graduated: it falls with the number, so that freed seats save the cheapest ones and not seats times price.
Tiers are what a year costs for up to so many seats: within one, nothing is saved. A monthly period bills its maximum:
nothing is saved before the next one begins.
"""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Literal

from rollcall.settings.seats import ProductSettings

_CENT = Decimal("0.01")
_DIGITS = 60
"""More than the largest bill has: nothing is rounded before the end."""

Step = tuple[int, Decimal]
"""Up to how many seats, and the price."""


@dataclass(frozen=True, slots=True)
class Bill:
    """A product's bill now and after seats are freed.

    Attributes:
        currency: As in the settings; None without prices.
        period: What the amounts are for; None without prices.
        now: For the seats held; None where no price says.
        after: For those that stay.
        saving: The difference; None where either is not known.
        saving_from: The first day of which it saves; None where the settings do not say when a period begins.
    """

    currency: str | None
    period: Literal["month", "year"] | None
    now: Decimal | None
    after: Decimal | None
    saving: Decimal | None
    saving_from: date | None


def bill_of(product: ProductSettings | None, held: int, reclaimable: int, today: date) -> Bill:
    """Return a product's bill, and what it saves to free seats.

    Args:
        product: What the settings say of the product; None for nothing.
        held: Seats that are held.
        reclaimable: How many of them are to be freed.
        today: The site's.
    """
    if product is None:
        return Bill(None, None, None, None, None, None)
    left = held - reclaimable
    begins = product.renews
    if product.price:
        now, after = graduated(product.price, held), graduated(product.price, left)
        first = period_after(begins, today, 1) if begins else None
        return Bill(product.currency, "month", now, after, now - after, first)
    if product.tiers:
        first = period_after(begins, today, 12) if begins else None
        whole, rest = tiered(product.tiers, held), tiered(product.tiers, left)
        saved = None if whole is None or rest is None else whole - rest
        return Bill(product.currency, "year", whole, rest, saved, first)
    return Bill(None, None, None, None, None, None)


def graduated(steps: Sequence[Step], seats: int) -> Decimal:
    """Return what so many seats cost where each step has its own price for each of its seats; the last goes on."""
    with localcontext(prec=_DIGITS):
        total, below = Decimal(0), 0
        for place, (upto, price) in enumerate(steps):
            last = place == len(steps) - 1
            here = max(0, (seats if last else min(seats, upto)) - below)
            total += here * price
            below = upto
        return _cents(total)


def tiered(steps: Sequence[Step], seats: int) -> Decimal | None:
    """Return what the smallest tier costs that has so many seats; None above the last. Nobody has the first one too."""
    return next((_cents(price) for upto, price in steps if seats <= upto), None)


def period_after(first_day: date, today: date, months: int) -> date:
    """Return the first day after today on which a period begins.

    Args:
        first_day: The first day of one of them; the day of the month stays, or is the last where a month has fewer.
        today: The day after which.
        months: Length of a period.
    """
    periods = max(0, ((today.year - first_day.year) * 12 + today.month - first_day.month) // months)
    found = _moved(first_day, periods * months)
    return found if found > today else _moved(first_day, (periods + 1) * months)


def _moved(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _cents(amount: Decimal) -> Decimal:
    with localcontext(prec=_DIGITS):
        return amount.quantize(_CENT, ROUND_HALF_UP)
