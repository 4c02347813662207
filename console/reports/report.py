"""What a report is, and how it is read: one query a site, over the site's own days."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rollcall.warehouse import Row, Warehouse


@dataclass(frozen=True, slots=True)
class Report:
    """A report.

    Attributes:
        columns: Names of its columns, in order; all are columns of the query.
        sql: A query with the parameters ``site``, ``days`` (how many), ``today`` (the site's) and ``all_accounts``.
        when_empty: What to do when there are no rows.
    """

    columns: tuple[str, ...]
    sql: str
    when_empty: str = "--days looks further back, `rollcall check` finds what is wrong"


async def read_report(
    warehouse: Warehouse, report: Report, sites: Sequence[str], days: int, *, all_accounts: bool
) -> list[Row]:
    """Read a report of some sites.

    Args:
        warehouse: Where.
        report: Which.
        sites: Names of the sites.
        days: How many days: today, in the site's reporting time zone, and those before it.
        all_accounts: Whether apps and portal customers are shown beside people.

    Raises:
        WarehouseUnavailableError: The warehouse cannot be asked.
    """
    today = {row["site"]: row["today"] for row in await warehouse.query("SELECT site, today FROM site_days")}
    rows: list[Row] = []
    for site in sites:
        if site in today:
            parameters: dict[str, Any] = {
                "site": site, "days": days, "today": today[site], "all_accounts": int(all_accounts)
            }  # fmt: skip
            rows += await warehouse.query(report.sql, parameters)
    return rows
