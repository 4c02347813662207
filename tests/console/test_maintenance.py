"""migrate, rebuild, check and the edges of the command line."""

import asyncio
import json
from datetime import date

import pytest
from typer.testing import CliRunner

from console.main import app
from rollcall import __version__
from rollcall.warehouse import open_warehouse
from rollcall.warehouse.engines import Embedded, FrontHold, Holder, parse_warehouse_url

from ..facts import fact, ms
from .conftest import Shell

MIDNIGHT = ms("2026-10-31T23:00:00")


def test_migrate_makes_the_tables_and_again_does_nothing(shell: Shell) -> None:
    first = shell.run("migrate")
    assert "applied 0001 tables_and_views" in first.stdout
    second = shell.run("migrate")
    assert second.stdout == "the warehouse is up to date\n"


def test_rebuild_mends_the_days_it_is_told(shell: Shell) -> None:
    shell.store([fact("history:1", MIDNIGHT - 2), fact("history:1", MIDNIGHT + 2, source="reconcile")])
    assert len(shell.rows("report", "days", "--days", "9999")) == 2
    result = shell.run("rebuild", "--since", "2026-10-31", "--until", "2026-11-01")
    assert result.stdout == "acme: rebuilt 2026-10, 2026-11\n"
    assert [row["day"] for row in shell.rows("report", "days", "--days", "9999")] == [date(2026, 11, 1).isoformat()]


def test_rebuild_without_days_takes_all_months(shell: Shell) -> None:
    shell.store([fact("history:1", MIDNIGHT - 2), fact("history:2", ms("2025-03-04T10:00:00"))])
    assert "2025-03, 2026-10" in shell.run("rebuild").stdout


@pytest.mark.parametrize("options", [["--until", "2026-11-01"], ["--since", "2026-11-02", "--until", "2026-11-01"]])
def test_rebuild_of_impossible_days_is_wrong_usage(shell: Shell, options: list[str]) -> None:
    shell.store([])
    assert shell.run("rebuild", *options).exit_code == 2


def test_a_warehouse_without_tables_names_migrate(shell: Shell) -> None:
    (shell.folder / "warehouse").mkdir()
    result = shell.run("report", "days")
    assert result.exit_code == 1
    assert "run rollcall migrate" in result.stderr


def test_files_that_another_process_holds_are_named(shell: Shell) -> None:
    address = parse_warehouse_url(f"chdb://{shell.folder}/warehouse")
    assert isinstance(address, Embedded)
    holder = Holder(address, "rollcall up")
    try:
        result = shell.run("migrate")
        assert result.exit_code == 1
        assert "(rollcall up) holds the embedded warehouse" in result.stderr
        assert "takes no requests" in shell.run("rebuild").stderr
    finally:
        holder.close()
    assert shell.run("migrate").exit_code == 0


def test_files_of_an_up_whose_engine_is_away_are_its_own(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.store([fact("history:1", MIDNIGHT)])
    address = parse_warehouse_url(f"chdb://{shell.folder}/warehouse")
    assert isinstance(address, Embedded)
    with monkeypatch.context() as other_process:
        other_process.setattr("os.getpid", lambda: 1)
        front = FrontHold(address)
    try:
        for command in (["migrate"], ["report", "days"], ["up"], ["rebuild"]):
            result = shell.run(*command)
            assert result.exit_code == 1, command
            assert "process 1 (rollcall up) holds the embedded warehouse" in result.stderr, command
    finally:
        front.close()
    assert len(shell.rows("report", "days", "--days", "9999")) == 1


def test_check_finds_everything_in_order(shell: Shell) -> None:
    shell.store([fact("history:1", MIDNIGHT)])
    findings = {row["subject"]: row for row in shell.rows("check", "--local")}
    local = ("site acme", "event log", "warehouse", "clock")
    assert {name: findings[name]["ok"] for name in local} == dict.fromkeys(local, True)
    assert "1 user days, the last on 2026-11-01" in findings["warehouse"]["found"]


def test_check_compares_rollups_with_facts(shell: Shell) -> None:
    shell.store([fact("history:1", MIDNIGHT), fact("comment:2", MIDNIGHT, source="reconcile")])
    found = {row["subject"]: row["ok"] for row in shell.rows("check", "--local", "--rollups")}
    compared = {subject for subject in found if subject.endswith(" of acme")}
    assert len(compared) == 6
    assert all(found[subject] for subject in compared)
    asyncio.run(
        _run_in_warehouse(
            shell,
            "INSERT INTO headcount_rollup SELECT * REPLACE (active + 1 AS active, now64(6) "
            "AS computed_at) FROM headcount_rollup FINAL WHERE active > 0",
        )
    )
    result = shell.run("check", "--local", "--rollups", "--format", "json")
    assert result.exit_code == 1
    wrong = [row["subject"] for row in json.loads(result.stdout) if not row["ok"] and row["subject"] in compared]
    assert wrong == ["active_users_daily of acme"]


async def _run_in_warehouse(shell: Shell, statement: str) -> None:
    warehouse = await open_warehouse(f"chdb://{shell.folder}/warehouse", "a test")
    try:
        await warehouse.command(statement)
    finally:
        await warehouse.close()


def test_check_names_what_is_wrong_and_the_remedy(shell: Shell) -> None:
    text = shell.config.read_text().replace("0123456789abcdef", "short")
    shell.config.write_text(text)
    result = shell.run("check", "--format", "json")
    assert result.exit_code == 1
    assert "openssl rand" in result.stdout
    assert "rollcall migrate" in result.stdout


def test_check_names_the_brokers_where_the_log_is_kafka(shell: Shell) -> None:
    assert shell.run("migrate").exit_code == 0
    shell.config.write_text(
        'log_url = "kafka://127.0.0.1:1"\n' + shell.config.read_text().partition("\n")[2].partition("\n")[2]
    )
    result = shell.run("check", "--local", "--format", "json")
    [log] = [row for row in json.loads(result.stdout) if row["subject"] == "event log"]
    assert result.exit_code == 1
    assert "Kafka at 127.0.0.1:1 cannot be reached" in log["found"]
    assert "brokers" in log["remedy"]
    assert "disk" not in log["remedy"]


def test_check_of_a_site_without_a_token_says_what_is_missing(shell: Shell) -> None:
    shell.store([])
    result = shell.run("check", "--format", "json")
    assert result.exit_code == 1
    assert "set email and api_token_file of the site" in result.stdout


def test_no_sites_says_what_to_write(shell: Shell) -> None:
    shell.config.write_text(f'log_url = "sqlite://{shell.folder}/events.db"\n')
    result = shell.run("up")
    assert result.exit_code == 2
    assert "[sites.acme]" in result.stderr


def test_version_and_help() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"rollcall {__version__}\n"
    listed = CliRunner().invoke(app, ["--help"]).stdout
    for name in ("demo", "up", "ingest", "consume", "migrate", "rebuild", "report", "deadletter", "check"):
        assert name in listed
    assert "--install-completion" in listed
