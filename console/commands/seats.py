"""``rollcall report seats``, ``savings`` and ``thresholds``: who may, whether they did or looked, and what that costs.

What they show is read by `rollcall.warehouse.seats`; the verdicts are those of the view ``seats``.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from console.output import FormatOption, OutputFormat, print_rows
from console.process import DONE, Config, SiteOption, print_error, run_command, site_names
from rollcall.runtime import opened_for_reading
from rollcall.settings import Settings
from rollcall.warehouse import Row, Warehouse
from rollcall.warehouse.seats import VERDICTS, Verdict, read_savings, read_seats, read_thresholds

SEATS = (
    "site",
    "product",
    "account_id",
    "name",
    "email",
    "verdict",
    "since",
    "did_at",
    "did_elsewhere_at",
    "looked_at",
    "looked_as_of",
    "known_since",
    "holds_since",
    "granted_by",
    "exempt_reason",
    "exempt_until",
    "why",
)
SAVINGS = (
    "site",
    "product",
    "currency",
    "period",
    "seats",
    "held",
    *VERDICTS,
    "reclaimable",
    "bill",
    "bill_after",
    "saving",
    "saving_from",
)
THRESHOLDS = ("site", "days", "reached", "returned", "share", "idle_now")

ProductOption = Annotated[str, typer.Option("--product", help="Only this product, by its key, such as jira-software.")]
VerdictOption = Annotated[
    list[Verdict] | None, typer.Option("--verdict", help="Only this verdict; may be given several times.")
]

_NOTHING = (
    "nothing to show; no reconcile run has read the site's licenses yet (`rollcall reconcile` does), or none match"
)


def seats_command(
    site: SiteOption = None,
    product: ProductOption = "",
    verdict: VerdictOption = None,
    form: FormatOption = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Every seat with its verdict, the evidence, and the groups that grant it. Rollcall removes nobody."""

    async def read(warehouse: Warehouse, settings: Settings) -> list[Row]:
        return await read_seats(warehouse, site_names(settings, site), product, verdict or ())

    _print(config, read, SEATS, form)


def savings_command(
    site: SiteOption = None,
    product: ProductOption = "",
    form: FormatOption = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Seats by verdict, the bill now and without idle and never used ones, and from when that saves."""

    async def read(warehouse: Warehouse, settings: Settings) -> list[Row]:
        return await read_savings(warehouse, settings.seats, site_names(settings, site), product)

    _print(config, read, SAVINGS, form)


def thresholds_command(site: SiteOption = None, form: FormatOption = OutputFormat.TABLE, config: Config = None) -> None:
    """Of those who did nothing for so many days, how many came back within 30; to choose `seats.idle_days`."""

    async def read(warehouse: Warehouse, settings: Settings) -> list[Row]:
        return await read_thresholds(warehouse, site_names(settings, site))

    _print(config, read, THRESHOLDS, form)


Read = Callable[[Warehouse, Settings], Awaitable[list[Row]]]


def _print(config: Path | None, read: Read, columns: Sequence[str], form: OutputFormat) -> None:
    async def body(settings: Settings) -> int:
        async with opened_for_reading(settings, "rollcall report") as warehouse:
            rows = await read(warehouse, settings)
        print_rows(rows, columns, form)
        if not rows:
            print_error(_NOTHING)
        return DONE

    run_command(config, body)
