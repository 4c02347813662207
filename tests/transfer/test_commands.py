"""The two commands: what they print, their exit codes, and who may hold the files meanwhile."""

import shutil
import stat
from pathlib import Path

import pytest

from console.control import control_routes
from rollcall.warehouse.engines import Embedded, Holder

from ..console.conftest import Shell, shell
from ..facts import fact
from ..sqldoor.house import open_house

__all__ = ["shell"]

FACTS = [fact(f"comment:{n}:created", "2026-11-02T10:00:00", account_id=f"person{n}") for n in range(5)]


def moved(shell: Shell, tmp_path: Path) -> Shell:
    """Another installation with the same settings and its tables."""
    (tmp_path / "other").mkdir()
    text = shell.config.read_text().replace(str(shell.folder), str(tmp_path / "other"))
    (tmp_path / "other" / "rollcall.toml").write_text(text)
    other = Shell(tmp_path / "other")
    assert other.run("migrate").exit_code == 0
    return other


def test_there_and_in_again(shell: Shell, tmp_path: Path) -> None:
    shell.store(FACTS)
    result = shell.run("export", str(tmp_path / "out"), "--rows-per-file", "2")
    assert result.exit_code == 0
    assert result.stdout.startswith("exported 5 facts")
    assert "activity: 4 rows exported" in result.stderr
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()} == {0o600}
    other = moved(shell, tmp_path)
    first = other.run("import", str(tmp_path / "out"))
    assert first.exit_code == 0, first.output
    assert "5 user days" in first.stdout
    assert "activity: 5 of 5 rows imported" in first.stderr
    second = other.run("import", str(tmp_path / "out"))
    assert second.stdout.startswith("imported 1 files, 9 were there already")  # the sites: here the settings decide
    assert "other rows" not in second.stderr
    assert other.rows("report", "days", "--days", "9999") == shell.rows("report", "days", "--days", "9999")


def test_a_folder_that_cannot_be_used_is_wrong_usage(shell: Shell, tmp_path: Path) -> None:
    shell.store([])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert shell.run("export", str(tmp_path / "full")).exit_code == 2
    assert shell.run("export", "/proc/nowhere").exit_code == 2
    assert shell.run("import", str(tmp_path / "full")).exit_code == 2
    for text in ("{", '{"format": 1}'):
        (tmp_path / "full" / "manifest.json").write_text(text)
        assert "is no manifest" in shell.run("import", str(tmp_path / "full")).stderr


@pytest.mark.parametrize(("was", "now"), [('"format": 1', '"format": 2'), ("activity-00001", "../activity-00001")])
def test_a_manifest_of_another_kind_is_wrong_usage(shell: Shell, tmp_path: Path, was: str, now: str) -> None:
    shell.store(FACTS)
    assert shell.run("export", str(tmp_path / "out")).exit_code == 0
    manifest = tmp_path / "out" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(was, now))
    assert shell.run("import", str(tmp_path / "out")).exit_code == 2


def test_days_that_differ_are_told(shell: Shell, tmp_path: Path) -> None:
    shell.store(FACTS)
    assert shell.run("export", str(tmp_path / "out")).exit_code == 0
    manifest = tmp_path / "out" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"user_days": 5', '"user_days": 6'))
    result = moved(shell, tmp_path).run("import", str(tmp_path / "out"))
    assert result.exit_code == 0
    assert "had 6 user days" in result.stderr


def test_before_migrate_an_import_names_it(shell: Shell, tmp_path: Path) -> None:
    shell.store(FACTS)
    assert shell.run("export", str(tmp_path / "out")).exit_code == 0
    shutil.rmtree(shell.folder / "warehouse")
    result = shell.run("import", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert "run rollcall migrate" in result.stderr


def test_while_up_holds_the_files(shell: Shell, tmp_path: Path) -> None:
    """An export goes through the SQL door; an import says who has to be stopped."""
    with open_house(shell.folder) as house, house.door() as door:
        holder = house.warehouse.holder
        assert isinstance(holder, Holder)
        holder.announce(door.url, "")
        assert isinstance(holder.address, Embedded)
        assert control_routes("token", *[lambda *_: pytest.fail("it must not be asked")] * 4)
        out = shell.run("export", str(tmp_path / "out"), "--rows-per-file", "30")
        assert out.exit_code == 0, out.output
        refused = shell.run("import", str(tmp_path / "out"))
        assert refused.exit_code == 1
        assert "holds the embedded warehouse" in refused.stderr
    assert "exported 80 facts" in out.stdout
