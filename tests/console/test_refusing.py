"""Who writes looks first: into altered tables, or as a server forbids, nothing is written and nothing committed."""

import asyncio
import json
from pathlib import Path

import pytest

from .conftest import Shell
from .harmed import ALTERED, FACTS, HELD, alter, facts_on_log, facts_waiting, facts_written, held

WRITERS = ["consume", "up"]


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that goes on instead of refusing is told to stop."""

    def stop() -> asyncio.Event:
        event = asyncio.Event()
        asyncio.get_running_loop().call_later(10, event.set)
        return event

    for module in ("console.commands.services", "console.commands.up"):
        monkeypatch.setattr(f"{module}.stop_on_signals", stop)


@pytest.mark.parametrize("writer", WRITERS)
def test_altered_tables_end_it_and_are_named(shell: Shell, writer: str) -> None:
    facts_on_log(shell)
    alter(shell)
    result = shell.run(writer)
    assert result.exit_code == 1
    assert ALTERED in result.stderr
    assert (facts_written(shell), facts_waiting(shell)) == (0, len(FACTS))


@pytest.mark.parametrize("writer", WRITERS)
def test_a_profile_that_holds_an_insert_setting_ends_it_and_is_named(shell: Shell, tmp_path: Path, writer: str) -> None:
    facts_on_log(shell)
    with held(shell, tmp_path / "data"):
        result = shell.run(writer)
        assert result.exit_code == 2
        assert HELD in result.stderr
        assert (facts_written(shell), facts_waiting(shell)) == (0, len(FACTS))


def findings(shell: Shell) -> dict[str, tuple[bool, str]]:
    result = shell.run("check", "--local", "--format", "json")
    assert result.exit_code == 1
    return {row["subject"]: (row["ok"], row["found"]) for row in json.loads(result.stdout)}


def test_check_reports_altered_tables(shell: Shell) -> None:
    alter(shell)
    assert findings(shell)["schema"] == (False, ALTERED)


def test_check_looks_at_the_way_in_where_no_door_hides_it(shell: Shell) -> None:
    """The SQL door of `up` shows the tables for readers only; on files that nobody holds all of them are compared."""
    alter(shell, "DROP VIEW activity_in_to_sources")
    assert findings(shell)["schema"] == (False, "activity_in_to_sources is missing")


def test_check_reports_a_profile_that_holds_an_insert_setting(shell: Shell, tmp_path: Path) -> None:
    with held(shell, tmp_path / "data"):
        found = findings(shell)
    assert found["schema"][0]
    ok, said = found["insert settings"]
    assert not ok
    assert HELD in said
