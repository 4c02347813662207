"""Who holds the embedded files: named at once, unless it is a command that is done in a moment."""

import os
import threading
from pathlib import Path

import pytest

from rollcall.errors import WarehouseHeldError
from rollcall.warehouse.engines import Embedded, FrontHold, Holder, read_holding


@pytest.mark.parametrize("command", ["rollcall report", "rollcall check"])
def test_a_command_that_only_looks_is_waited_for(tmp_path: Path, command: str) -> None:
    address = Embedded(tmp_path / "warehouse")
    looking = Holder(address, command)
    threading.Timer(0.5, looking.close).start()
    up = Holder(address, "rollcall up")
    assert up.holding.command == "rollcall up"
    up.close()


def test_a_command_that_stays_is_named_at_once(tmp_path: Path) -> None:
    address = Embedded(tmp_path / "warehouse")
    up = Holder(address, "rollcall up")
    with pytest.raises(WarehouseHeldError, match=r"\(rollcall up\) holds the embedded warehouse"):
        Holder(address, "rollcall consume")
    up.close()


def test_a_command_that_only_looks_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollcall.warehouse.engines._BRIEF_SECONDS", 0.2)
    address = Embedded(tmp_path / "warehouse")
    looking = Holder(address, "rollcall report")
    with pytest.raises(WarehouseHeldError, match=r"\(rollcall report\) holds"):
        Holder(address, "rollcall up")
    looking.close()


def test_a_hold_given_up_twice_closes_nobody_elses_file(tmp_path: Path) -> None:
    looking = Holder(Embedded(tmp_path / "warehouse"), "rollcall report")
    looking.close()
    with (tmp_path / "other").open("wb") as other:
        other.write(b"text")
        other.flush()
        looking.close()
        assert os.fstat(other.fileno()).st_size == 4


def test_nobody_but_its_engine_takes_the_files_of_an_up(tmp_path: Path) -> None:
    address = Embedded(tmp_path / "warehouse")
    front = FrontHold(address)
    for command in ("rollcall report", "rollcall migrate"):
        with pytest.raises(WarehouseHeldError, match=rf"process {os.getpid()} \(rollcall up\) holds"):
            Holder(address, command, pid=1)
    with pytest.raises(WarehouseHeldError, match=rf"process {os.getpid()} \(rollcall up\) holds"):
        FrontHold(address)
    away = read_holding(address)
    assert away
    assert (away.command, away.sql_url) == ("rollcall up", "")
    engine = Holder(address, "rollcall up", pid=os.getpid())
    engine.announce("http://127.0.0.1:1", "token")
    there = read_holding(address)
    assert there
    assert there.sql_url == "http://127.0.0.1:1"
    engine.close()
    front.close()
    assert read_holding(address) is None
    Holder(address, "rollcall migrate", pid=1).close()


@pytest.mark.parametrize(("command", "waits"), [("rollcall report", True), ("rollcall consume", False)])
def test_an_up_begins_beside_a_command_that_only_looks_alone(tmp_path: Path, command: str, *, waits: bool) -> None:
    address = Embedded(tmp_path / "warehouse")
    other = Holder(address, command)
    if waits:
        FrontHold(address).close()
    else:
        with pytest.raises(WarehouseHeldError, match=r"\(rollcall consume\) holds"):
            FrontHold(address)
        assert not address.front_lock_path.read_text()
    other.close()
