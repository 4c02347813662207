"""`rollcall check` compares Python's time zones with those of the engine, the real one."""

import asyncio
import json
import shutil
import zoneinfo
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from console.checks.jira_site import zone_finding
from console.checks.time_zones import disagreements, zone_findings
from reconcile.responses import Myself
from rollcall.settings import Settings, load_settings

from ..facts import fresh_warehouse
from .conftest import Shell

BERLIN, TOKYO = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tokyo")


async def compared(folder: Path, zones: Mapping[str, ZoneInfo]) -> dict[str, Any]:
    async with fresh_warehouse(folder) as warehouse:
        return dict(await disagreements(warehouse, zones))


def test_a_zone_that_is_the_same_differs_nowhere(tmp_path: Path) -> None:
    found = asyncio.run(compared(tmp_path, {"Asia/Tokyo": TOKYO, "UTC": ZoneInfo("UTC")}))
    assert found == {"Asia/Tokyo": None, "UTC": None}


def test_the_first_moment_and_the_hours_are_told(tmp_path: Path) -> None:
    """Two zones that differ in summer only: the first moment is the one at which their clocks part."""
    found = asyncio.run(compared(tmp_path, {"Africa/Lagos": BERLIN, "Europe/Berlin": BERLIN}))
    assert found["Europe/Berlin"] is None
    told = found["Africa/Lagos"]
    now = datetime.now(UTC)
    wanted = [at for at in half_hours(now) if BERLIN.utcoffset(at.astimezone(BERLIN)) != timedelta(hours=1)]
    assert told.since in (wanted[0], wanted[0] + timedelta(minutes=30))  # half an hour may have begun meanwhile
    assert abs(told.hours - len(wanted) / 2) <= 1
    assert f"{told.since:%Y-%m-%d %H:%M} UTC on it is UTC+02:00 by Python's table and UTC+01:00 by" in str(told)


def half_hours(now: datetime) -> list[datetime]:
    begin = datetime.fromtimestamp(int(now.timestamp()) // 1800 * 1800, UTC)
    return [begin + timedelta(minutes=30) * number for number in range(366 * 48)]


@contextmanager
def python_knows(folder: Path, name: str) -> Iterator[None]:
    """Have Python know a zone with this name and Tokyo's table; the engine has its own opinion."""
    before = zoneinfo.TZPATH
    file = folder / "zones" / name
    file.parent.mkdir(parents=True)
    table = (Path(place) / "Asia" / "Tokyo" for place in before)
    shutil.copy(next(path for path in table if path.is_file()), file)
    zoneinfo.reset_tzpath([str(folder / "zones"), *before])
    ZoneInfo.clear_cache(only_keys=[name])
    try:
        yield
    finally:
        zoneinfo.reset_tzpath(before)
        ZoneInfo.clear_cache(only_keys=[name])


@pytest.fixture
def doctored(tmp_path: Path) -> Iterator[str]:
    """A zone of which Python's table and the engine's differ. Made: to look for a real one, the engine keeps 2 GB."""
    with python_knows(tmp_path, "Europe/Athens"):
        yield "Europe/Athens"


def zone_rows(shell: Shell, zone: str) -> tuple[int, dict[str, dict[str, Any]]]:
    shell.config.write_text(shell.config.read_text().replace("Europe/Berlin", zone))
    result = shell.run("check", "--local", "--format", "json")
    rows = json.loads(result.stdout)
    return result.exit_code, {row["subject"]: row for row in rows if row["subject"].startswith("time zone")}


def test_check_says_that_they_agree(shell: Shell) -> None:
    shell.store([])
    code, rows = zone_rows(shell, "Asia/Tokyo")
    assert code == 0
    assert rows["time zones"]["found"] == "Python and the engine agree on Asia/Tokyo for the year to come"


def test_check_names_the_zone_that_differs_and_the_remedy(shell: Shell, doctored: str) -> None:
    shell.store([])
    code, rows = zone_rows(shell, doctored)
    [row] = rows.values()
    assert (code, row["subject"], row["ok"]) == (1, f"time zone {doctored}", False)
    assert "by Python's table" in row["found"]
    assert "what people of acme do around midnight may count for the neighboring day" in row["found"]
    assert "upgrade tzdata" in row["remedy"]


def settings(**changed: Any) -> Settings:
    acme = {"url": "https://acme.atlassian.net", "webhook_secrets": ["0123456789abcdef"], "timezone": "Europe/Berlin"}
    return Settings.model_validate({"sites": {"acme": acme}, **changed})


async def findings_of(folder: Path, given: Settings) -> list[Any]:
    async with fresh_warehouse(folder) as warehouse:
        return await zone_findings(given, warehouse)


def test_a_zone_that_the_engine_does_not_know_is_told(shell: Shell) -> None:
    """Python takes what the system has, such as a zone of its own; the engine then could count nothing."""
    shell.store([])
    with python_knows(shell.folder, "Acme/Office"):
        code, rows = zone_rows(shell, "Acme/Office")
    [row] = rows.values()
    assert (code, row["subject"], row["ok"]) == (1, "time zone Acme/Office", False)
    assert "the engine does not know it" in row["found"]
    assert "IANA name" in row["remedy"]


def test_a_zone_of_the_daily_runs_need_not_be_known_to_the_engine(tmp_path: Path) -> None:
    with python_knows(tmp_path, "Acme/Office"):
        [found] = asyncio.run(findings_of(tmp_path, settings(reconcile={"daily_timezone": "Acme/Office"})))
    assert (found.subject, found.ok) == ("time zones", True)


def test_the_zone_of_the_account_is_compared_where_there_is_a_warehouse(shell: Shell, doctored: str) -> None:
    given = load_settings(shell.config)
    nowhere = asyncio.run(zone_finding(given, "acme", Myself(time_zone=doctored)))
    shell.store([])
    found = asyncio.run(zone_finding(given, "acme", Myself(time_zone=doctored)))
    assert (nowhere.ok, found.subject, found.ok) == (True, "acme: time zone", False)
    assert f"Jira reads times of queries in {doctored}: from" in found.found
    assert "overlap_hours" in found.found
    assert "upgrade tzdata" in found.remedy
    for same in ("Asia/Tokyo", None):
        assert asyncio.run(zone_finding(given, "acme", Myself(time_zone=same))).ok


def test_a_zone_of_the_account_that_only_python_knows_is_no_trouble(shell: Shell) -> None:
    shell.store([])
    with python_knows(shell.folder, "Acme/Office"):
        myself = Myself(time_zone="Acme/Office")
        assert asyncio.run(zone_finding(load_settings(shell.config), "acme", myself)).ok


def test_the_zone_of_the_daily_runs_is_compared_too(tmp_path: Path, doctored: str) -> None:
    found = asyncio.run(findings_of(tmp_path, settings(reconcile={"daily_timezone": doctored})))
    [differs] = [one for one in found if not one.ok]
    assert (differs.subject, "the daily run may begin at another hour" in differs.found) == (
        f"time zone {doctored}",
        True,
    )
    assert "Europe/Berlin" in next(one.found for one in found if one.ok)
