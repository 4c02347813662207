"""``rollcall report seats``, ``savings``, ``thresholds``, ``robots``: who may, who did or looked, and what that costs.

What they show is read by `rollcall.warehouse.seats` and `rollcall.warehouse.robots`; the verdicts are those of the view
``seats``.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from console.commands.report import LimitOption, ProductOption, SortOption, by_weight, check_sort, chosen
from console.output import FormatOption, OutputFormat, print_rows
from console.process import DONE, Config, SiteOption, print_error, run_command, site_names
from console.reports import MOST_DAYS, SavingsRow, ThresholdRow
from rollcall.runtime import opened_for_reading
from rollcall.settings import Settings
from rollcall.warehouse import Row, Warehouse
from rollcall.warehouse.robots import LEAST_DAYS, ROBOTS, read_robots
from rollcall.warehouse.seats import SEATS, Verdict, read_savings, read_seats, read_thresholds

SAVINGS, THRESHOLDS = SavingsRow.__struct_fields__, ThresholdRow.__struct_fields__

_SEATS_FIRST = ("name", "product", "verdict", "did_at", "looked_at", "granted_by", "why", "email", "holds_since")
_SAVINGS_FIRST = ("product", "held", "reclaimable", "bill", "bill_after", "saving", "currency", "period", "saving_from")
THRESHOLDS_FIRST = ("days", "share", "reached", "returned", "idle_now", "reclaimable", "savings", "unseen")
_ROBOTS_FIRST = ("name", "why", "acts", "products", "active_days", "email")

VerdictOption = Annotated[
    list[Verdict] | None, typer.Option("--verdict", help="Only this verdict; may be given several times.")
]

DaysOption = Annotated[
    int,
    typer.Option(
        "--days", min=0, max=MOST_DAYS, help="Only who neither did nor looked at anything in it for so many days."
    ),
]

RobotDays = Annotated[
    int,
    typer.Option(
        "--days", min=LEAST_DAYS, max=MOST_DAYS, help="Today and the days before it, in the site's time zone."
    ),
]

_NOTHING = (
    "nothing to show; no reconcile run has read the site's licenses yet (`rollcall reconcile` does), or none match"
)
_NO_ROBOT = f"nobody with a seat behaves like a program, or fewer than {LEAST_DAYS} days of them are known"


def seats_command(
    site: SiteOption = None,
    product: ProductOption = "",
    verdict: VerdictOption = None,
    days: DaysOption = 0,
    sort: SortOption = None,
    limit: LimitOption = None,
    form: FormatOption = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Every seat with its verdict, the evidence, and the groups that grant it. Rollcall removes nobody."""

    async def read(warehouse: Warehouse, settings: Settings) -> list[Row]:
        return await read_seats(warehouse, site_names(settings, site), product, verdict or (), days)

    _print(config, read, SEATS, _SEATS_FIRST, form, sort, limit)


def savings_command(
    site: SiteOption = None,
    product: ProductOption = "",
    sort: SortOption = None,
    limit: LimitOption = None,
    form: FormatOption = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Seats by verdict, the bill now and without idle and never used ones, and from when that saves."""

    async def read(warehouse: Warehouse, settings: Settings) -> list[Row]:
        return await read_savings(warehouse, settings.seats, site_names(settings, site), product)

    _print(config, read, SAVINGS, _SAVINGS_FIRST, form, sort, limit)


def thresholds_command(
    site: SiteOption = None,
    product: ProductOption = "",
    sort: SortOption = None,
    limit: LimitOption = None,
    form: FormatOption = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Of those who did nothing for so many days, how many came back within 30, and what it would free."""

    async def read(warehouse: Warehouse, settings: Settings) -> list[Row]:
        return await read_thresholds(warehouse, settings.seats, site_names(settings, site), product)

    _print(config, read, THRESHOLDS, THRESHOLDS_FIRST, form, sort, limit)


def robots_command(
    site: SiteOption = None,
    product: ProductOption = "",
    days: RobotDays = 30,
    sort: SortOption = None,
    limit: LimitOption = None,
    form: FormatOption = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Accounts with a seat that behave like programs, and by which signs. A service account costs no seat."""

    async def read(warehouse: Warehouse, settings: Settings) -> list[Row]:
        return await read_robots(warehouse, site_names(settings, site), days, product)

    _print(config, read, ROBOTS, _ROBOTS_FIRST, form, sort, limit, when_empty=_NO_ROBOT)


Read = Callable[[Warehouse, Settings], Awaitable[list[Row]]]


def _print(
    config: Path | None,
    read: Read,
    columns: Sequence[str],
    first: Sequence[str],
    form: OutputFormat,
    sort: str | None,
    limit: int | None,
    when_empty: str = _NOTHING,
) -> None:
    check_sort(sort, columns)

    async def body(settings: Settings) -> int:
        async with opened_for_reading(settings, "rollcall report") as warehouse:
            rows = chosen(await read(warehouse, settings), sort, limit)
        print_rows(rows, columns, form, by_weight(rows, columns, first))
        if not rows:
            print_error(when_empty)
        return DONE

    run_command(config, body)
