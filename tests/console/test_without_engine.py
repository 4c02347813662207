"""Without the embedded engine: who needs it says what to install, before anything is made; nobody else minds."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.main import app
from console.sqldoor.engine import Engine
from console.sqldoor.profile import DoorLimits
from rollcall.errors import SettingsError

from ..warehouse.servers import stand_in
from .conftest import Shell

SAID = (
    "warehouse_url: the embedded engine is not installed: pip install 'rollcall-jira[embedded]' (in a checkout: "
    "pip install '.[embedded]'), or set warehouse_url to a ClickHouse server"
)


@pytest.fixture(autouse=True)
def without_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "chdb", None)


@pytest.mark.parametrize(
    "command",
    [
        "up",
        "consume",
        "dashboard",
        "migrate",
        "rebuild",
        "reconcile",
        "report days",
        "report idle",
        "export FOLDER/export",
    ],
)
def test_a_command_that_opens_it_says_what_to_install(shell: Shell, command: str) -> None:
    text = shell.config.read_text()
    shell.config.write_text(f'{text}email = "svc@acme.example"\napi_token = "0123456789"\n')
    result = shell.run(*command.replace("FOLDER", str(shell.folder)).split())
    assert result.exit_code == 2
    assert result.stderr == f"rollcall: {SAID}\n"
    assert not (shell.folder / "warehouse").exists()


def test_the_demo_says_so_before_it_starts_anything(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["demo", "--folder", str(tmp_path / "demo")])
    assert (result.exit_code, result.stderr) == (2, f"rollcall: {SAID}\n")
    assert not (tmp_path / "demo").exists()


def test_check_finds_it_missing_and_goes_on(shell: Shell) -> None:
    result = shell.run("check", "--local", "--format", "json")
    assert result.exit_code == 1
    found = {row["subject"]: row for row in json.loads(result.stdout)}
    assert found["warehouse"]["found"] == SAID
    assert "rollcall migrate" not in found["warehouse"]["remedy"]
    assert found["event log"]["ok"]
    assert found["clock"]["ok"]


def test_the_sql_door_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not installed"):
        Engine(tmp_path / "warehouse", DoorLimits()).open()


def test_a_server_is_used_without_it(shell: Shell, tmp_path: Path) -> None:
    with stand_in(tmp_path / "server") as server:
        shell.config.write_text(shell.config.read_text().replace(f"chdb://{shell.folder}/warehouse", server.url))
        assert shell.run("migrate").exit_code == 0
        assert shell.rows("report", "days") == []
        assert shell.run("check", "--local").exit_code == 0
        assert shell.run("export", str(tmp_path / "export")).exit_code == 0
