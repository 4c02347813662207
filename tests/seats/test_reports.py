"""``rollcall report seats|savings|thresholds``: the view's rows, the money as decimals, and the thresholds by hand."""

import asyncio
import csv
import io
import json
import tomllib
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from console.commands.seats import SAVINGS
from rollcall.records import Activity, Directory
from rollcall.settings import SeatsSettings, load_settings
from rollcall.warehouse import Warehouse, record_seat_settings
from rollcall.warehouse.rebuild import rebuild_site
from rollcall.warehouse.seats import SEATS, count_seats, read_savings, read_thresholds

from ..console.conftest import Shell, shell
from ..facts import fresh_warehouse, write
from ..warehouse.engines import warehouse, warehouse_url
from .warehouse import DESK, SOFTWARE, Snapshot, act, directory, set_now

__all__ = ["shell", "warehouse", "warehouse_url"]

BERLIN = ZoneInfo("Europe/Berlin")


def ago(days: int) -> str:
    """Noon of a day in Berlin, or a moment ago for today, in UTC."""
    now = datetime.now(BERLIN)
    moment = (now - timedelta(days=days)).replace(hour=12, minute=0, second=0) if days else now - timedelta(seconds=2)
    return f"{moment.astimezone(ZoneInfo('UTC')):%Y-%m-%dT%H:%M:%S}"


MONEY = ("currency", "period", "bill", "bill_after", "saving", "saving_from")
PRICES = """
[seats.products.jira-software]
currency = "USD"
price = [[2, 9.05], [250, 6.705]]
renews = 2026-01-31
[seats.products.jira-servicedesk]
currency = "EUR"
tiers = [[1, 9500], [2, 17500.5]]
"""


def snapshot() -> Snapshot:
    """Five people: one acts, one reads, one never came, one is idle, and one of whom no look is known."""
    made = Snapshot(ago(0), dict.fromkeys(("acts", "reads", "never", "idle", "unseen"), (SOFTWARE, DESK)))
    for who in ("acts", "reads", "never", "idle"):
        made.added(who, "2020-01-01T00:00:00")
        for product in (SOFTWARE, DESK):
            made.looked(who, product, {"reads": ago(3), "idle": ago(100)}.get(who))
    made.granted("never", SOFTWARE, "builders", "builders-contract", default="builders")
    made.granted("idle", SOFTWARE, "builders", default="builders")
    made.granted("acts", SOFTWARE, "builders", "builders-contract")
    return made


def facts() -> list[Activity]:
    return [act("acts", ago(1)), act("idle", ago(120)), act("other", ago(200))]


def fill(shell: Shell, rows: Sequence[Directory], facts: Sequence[Activity]) -> None:
    async def main() -> None:
        async with fresh_warehouse(shell.folder) as found:
            settings = load_settings(shell.config)
            await record_seat_settings(found, settings.sites, settings.seats)
            await directory(found, rows)
            await write(found, *facts)

    asyncio.run(main())


@pytest.fixture
def filled(shell: Shell) -> Shell:
    shell.config.write_text(shell.config.read_text() + PRICES)
    fill(shell, snapshot().complete(), facts())
    return shell


def test_seats_and_savings(filled: Shell) -> None:
    rows = filled.rows("report", "seats")
    assert list(rows[0]) == list(SEATS)
    assert {row["account_id"]: row["verdict"] for row in rows if row["product"] == SOFTWARE} == {
        "acts": "active",
        "reads": "reader",
        "never": "never",
        "idle": "idle",
        "unseen": "unseen",
    }
    [never] = filled.rows("report", "seats", "--product", SOFTWARE, "--verdict", "never")
    assert (never["account_id"], never["granted_by"]) == ("never", ["builders", "builders-contract"])
    assert "; granted by builders (default) and builders-contract, leaving one of them is not enough" in never["why"]
    two = filled.rows("report", "seats", "--product", SOFTWARE, "--verdict", "never", "--verdict", "idle")
    assert [row["verdict"] for row in two] == ["never", "idle"]
    assert two[1]["since"] == two[1]["looked_at"]
    assert "; granted by builders (default)" in two[1]["why"]
    assert "leaving" not in two[1]["why"]
    assert not any("granted" in row["why"] for row in rows if row["account_id"] == "acts")
    table = csv.DictReader(io.StringIO(filled.run("report", "seats", "--format", "csv").stdout))
    assert [row["why"] for row in table] == [row["why"] for row in rows]
    assert filled.run("report", "seats", "--verdict", "lazy").exit_code == 2

    result = filled.run("report", "savings", "--format", "json")
    exact = json.loads(result.stdout, parse_float=Decimal)
    assert list(exact[0]) == list(SAVINGS)
    desk, software = exact
    # Three seats at 9.05, 9.05 and 6.705 stay of five: 24.805, half a cent up; never seats times price.
    money = ("currency", "period", "held", "reclaimable", "bill", "bill_after", "saving")
    assert [software[name] for name in money] == [
        "USD",
        "month",
        5,
        2,
        Decimal("38.22"),
        Decimal("24.81"),
        Decimal("13.41"),
    ]
    assert [software[name] for name in ("active", "reader", "unseen", "never", "idle")] == [1, 1, 1, 1, 1]
    assert software["saving_from"] > f"{datetime.now(BERLIN):%Y-%m-%d}"
    # The act was in a software project, so that nobody did anything at the desk; above the last tier no bill is known.
    assert [desk[name] for name in money] == ["EUR", "year", 5, 3, None, Decimal("17500.50"), None]
    assert desk["saving_from"] is None


def test_seats_are_chosen_and_ordered(filled: Shell) -> None:
    def accounts(*options: str) -> list[str]:
        return [row["account_id"] for row in filled.rows("report", "seats", "--product", SOFTWARE, *options)]

    # One acted yesterday, one looked 3 days ago, one 100 days ago; of two nothing is known.
    assert set(accounts("--days", "4")) == {"idle", "never", "unseen"}
    assert "reads" in accounts("--days", "3")
    assert "reads" not in accounts("--days", "4")
    assert set(accounts("--days", "101")) == {"never", "unseen"}
    assert accounts("--sort", "account_id") == ["acts", "idle", "never", "reads", "unseen"]
    assert accounts("--sort", "-looked_at")[:2] == ["reads", "idle"]
    assert accounts("--sort", "looked_at")[:2] == ["idle", "reads"]
    assert accounts("--sort", "-account_id", "--limit", "2") == ["unseen", "reads"]
    [most] = filled.rows("report", "savings", "--sort", "-reclaimable", "--limit", "1")
    assert most["reclaimable"] == 3
    refused = filled.run("report", "seats", "--sort", "lazy")
    assert refused.exit_code == 2
    assert "no such column" in refused.output
    [licenses] = filled.rows("report", "licenses", "--product", DESK)
    assert licenses["product"] == DESK


def test_in_a_pipe_a_line_is_a_seat(filled: Shell) -> None:
    header, *lines = filled.run("report", "seats").stdout.splitlines()
    assert header.split("\t") == list(SEATS)
    rows = filled.rows("report", "seats")
    assert [line.split("\t")[SEATS.index("why")] for line in lines] == [row["why"] for row in rows]


def test_without_prices_there_is_no_money_anywhere(shell: Shell) -> None:
    fill(shell, snapshot().complete(), facts())
    assert {tuple(row["savings"]) for row in shell.rows("report", "thresholds")} == {()}
    for row in shell.rows("report", "savings"):
        assert {row[name] for name in ("currency", "period", "bill", "bill_after", "saving", "saving_from")} == {None}
        assert row["held"] == 5


def test_before_the_first_run_there_is_nothing(shell: Shell) -> None:
    fill(shell, [], [])
    for name in ("seats", "savings"):
        result = shell.run("report", name)
        assert result.exit_code == 0
        assert "rollcall reconcile" in result.stderr


def thresholds_by_hand(days: dict[str, list[int]], seats: set[str]) -> dict[int, tuple[int, int, int]]:
    """Reached, returned and idle now; active days by how many days ago they were."""
    found = {}
    for length in (14, 30, 45, 60, 90, 120, 180):
        reached = returned = idle = 0
        for who, ago_ in days.items():
            for one in ago_:
                gone = not any(one - length <= other < one for other in ago_)
                if gone and one >= length + 30:
                    reached += 1
                    returned += any(one - length - 30 <= other < one - length for other in ago_)
            idle += who in seats and min(ago_) >= length
        found[length] = (reached, returned, idle)
    return found


@pytest.mark.anyio
async def test_thresholds_equal_a_count_by_hand(warehouse: Warehouse) -> None:
    """Just at, just below and just above each edge."""
    today = datetime(2026, 11, 27, 12, tzinfo=BERLIN)
    await set_now(warehouse, "2026-11-27 10:00:00")
    days = {
        "once": [44],
        "seen": [43],
        "back": [100, 69],
        "late": [120, 60, 30],
        "often": [300, 200, 110, 50, 5, 4, 3],
        "edges": [400, 385, 355, 354, 340],
        "years": [700, 500, 60],
        "app": [100],
    }
    facts = [
        act(who, f"{(today - timedelta(days=one)).astimezone(ZoneInfo('UTC')):%Y-%m-%dT%H:%M:%S}", account_type=kind)
        for who, some in days.items()
        for one in some
        for kind in ["app" if who == "app" else "atlassian"]
    ]
    await write(warehouse, *facts)
    seats = {"once", "seen", "late", "edges"}
    await directory(warehouse, Snapshot("2026-11-27T02:00:00", dict.fromkeys(sorted(seats), (SOFTWARE,))).complete())
    del days["app"]
    rows = await read_thresholds(warehouse, SeatsSettings(), ["acme"])
    found = {row["days"]: (row["reached"], row["returned"], row["idle_now"]) for row in rows}
    assert found == thresholds_by_hand(days, seats)
    for row in rows:
        assert row["share"] == (row["returned"] / row["reached"] if row["reached"] else None)


@pytest.mark.anyio
@pytest.mark.parametrize("known", [100, 400])
async def test_seats_and_money_at_each_threshold_are_those_of_the_view(warehouse: Warehouse, known: int) -> None:
    """Under settings with that threshold; of people of all kinds, at the edges of each."""
    await set_now(warehouse, "2026-11-27 10:00:00")
    today = datetime(2026, 11, 27, 12, tzinfo=BERLIN)

    def at(days: int) -> str:
        return f"{(today - timedelta(days=days)).astimezone(ZoneInfo('UTC')):%Y-%m-%dT%H:%M:%S}"

    edges = [n + shift for n in (14, 30, 45, 60, 90, 120, 180) for shift in (-1, 0, 1)]
    people = [f"{kind}{n}" for n in edges for kind in ("did", "looked", "exempt", "stale")]
    odd = ["never", "untold", "fresh", "settled"]
    made = Snapshot(
        "2026-11-27T02:00:00", {**dict.fromkeys(people, (SOFTWARE, DESK)), **dict.fromkeys(odd, (SOFTWARE, DESK))}
    )
    facts = [act("somebody", at(known))]
    for who in (*people, *odd):
        ago_ = int("".join(filter(str.isdigit, who)) or 0)
        facts += [act(who, at(ago_), "HELP" if ago_ % 2 else "SOFT")] if who.startswith(("did", "exempt")) else []
        made.added(who, at(20) if who == "fresh" else at(40) if who == "settled" else "2020-01-01T00:00:00")
        for product in (SOFTWARE, DESK):
            if who != "untold":
                looked = at(ago_) if who.startswith(("looked", "stale")) else None
                made.looked(who, product, looked, at(3) if who.startswith("stale") else None)
    await directory(warehouse, made.complete())
    await write(warehouse, *facts)
    given = {
        "exempt": [{"account_id": one, "reason": "kept"} for one in people if one.startswith("exempt")],
        "products": {
            SOFTWARE: {"currency": "USD", "price": [[20, 9.05], [250, 6.705]]},
            DESK: {"currency": "USD", "price": [[10, 20], [30, 10]], "new_days": 50},
        },
    }
    await record_seat_settings(warehouse, ["acme"], SeatsSettings.model_validate(given))
    rows = await read_thresholds(warehouse, SeatsSettings.model_validate(given), ["acme"])
    for row in rows:
        settings = SeatsSettings.model_validate({**given, "idle_days": row["days"]})
        await record_seat_settings(warehouse, ["acme"], settings)
        judged = await read_savings(warehouse, settings, ["acme"])
        assert row["reclaimable"] == sum(one["reclaimable"] for one in judged)
        assert row["unseen"] == sum(one["unseen"] for one in judged)
        assert row["savings"] == [f"USD {sum(one['saving'] for one in judged)} a month"]
    assert len({row["reclaimable"] for row in rows}) > 3
    [desk, software] = judged
    for product, one in ((DESK, desk), (SOFTWARE, software)):
        last = (await read_thresholds(warehouse, settings, ["acme"], product))[-1]
        assert (last["reclaimable"], last["savings"]) == (one["reclaimable"], [f"USD {one['saving']} a month"])


def test_a_sum_of_money_is_told_where_all_of_it_is_known(filled: Shell) -> None:
    """One product is priced in dollars a month; the other in euros a year, and its tiers do not reach so far."""
    rows = filled.rows("report", "thresholds")
    assert [row["savings"] for row in rows if row["days"] == 90] == [["USD 13.41 a month"]]
    [desk] = [row for row in filled.rows("report", "thresholds", "--product", DESK) if row["days"] == 90]
    assert (desk["reclaimable"], desk["savings"]) == (3, [])


@pytest.mark.anyio
async def test_the_daily_run_writes_each_days_counts_once(warehouse: Warehouse) -> None:
    await set_now(warehouse, "2026-11-27 10:00:00")
    await directory(warehouse, Snapshot("2026-11-27T02:00:00", {"anna": (SOFTWARE,), "bert": (SOFTWARE,)}).complete())
    await rebuild_site(warehouse, "acme", "Europe/Berlin", [], SeatsSettings())
    await write(warehouse, act("anna", "2026-11-27T09:00:00"))
    await count_seats(warehouse, "acme", SeatsSettings())
    await set_now(warehouse, "2026-11-27 23:30:00")
    await count_seats(warehouse, "acme", SeatsSettings())
    rows = await warehouse.query("SELECT toString(day) AS on, held, active, unseen, seats FROM seat_days ORDER BY day")
    assert [tuple(row.values()) for row in rows] == [("2026-11-27", 2, 1, 1, 100), ("2026-11-28", 2, 1, 1, 100)]


@pytest.mark.anyio
async def test_each_days_counts_stand_beside_what_they_cost(warehouse: Warehouse) -> None:
    """As the report has it, to the cent; a price that is set later changes no day of before."""
    seats = SeatsSettings.model_validate(tomllib.loads(PRICES)["seats"])
    await record_seat_settings(warehouse, ["acme"], seats)
    await directory(warehouse, snapshot().complete())
    await write(warehouse, *facts())
    await count_seats(warehouse, "acme", SeatsSettings())
    counted = "SELECT * EXCEPT day, day AS today FROM seat_days ORDER BY product"
    assert {row[name] for row in await warehouse.query(counted) for name in MONEY} == {None}
    await count_seats(warehouse, "acme", seats)
    rows = await warehouse.query(counted)
    reported = await read_savings(warehouse, seats, ["acme"])
    assert rows == [{name: row[name] for name in rows[0]} for row in reported]
    assert [row["bill"] for row in rows] == [None, Decimal("38.22")]
    assert [row["bill_after"] for row in rows] == [Decimal("17500.50"), Decimal("24.81")]
