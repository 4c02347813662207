"""A backup comes back whole, or not at all: what is harmed, held or in the way is told, and nothing is touched."""

import asyncio
import json
import re
import shutil
import sqlite3
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from console.backup import restorer
from console.backup.folder import BACKUP_FORMAT, BackupError, BackupManifest
from rollcall.errors import SettingsError, WarehouseHeldError, WarehouseUnavailableError
from rollcall.forgotten_accounts import ForgottenAccounts, forgotten_file
from rollcall.runtime import opened_with_warehouse
from rollcall.warehouse.engines import Embedded, FrontHold
from rollcall.warehouse.erasure import erase_again

from .conftest import MARK, SECRET, Made, Place, place


@dataclass
class Living(Place):
    """An installation that was restored, and has lived on since: facts 51 to 60 came."""

    said: str
    restored: list[int]


@pytest.fixture(scope="module")
def living(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Living:
    one = place(tmp_path_factory.mktemp("living") / "installation")
    done = one.run("restore", str(made.folder))
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (one.folder / "reconcile").iterdir()) == ["acme.watermark"]
    restored = one.facts()
    one.post(range(51, 61))
    one.consume()
    return Living(one.folder, done.stdout, restored)


def test_it_comes_back_with_what_was_on_the_log_only(living: Living) -> None:
    assert "go on where the warehouse is, 10 records" in living.said
    assert (living.folder / "reconcile" / "acme.watermark").read_text() == MARK
    assert living.restored == list(range(1, 41))
    assert living.facts() == list(range(1, 61))
    assert living.on_log(lambda topics: topics.deadletter.name) == [b'{"payload": "kept"}']


def test_it_is_private_and_without_secrets(made: Made) -> None:
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.folder.rglob("*") if path.is_file()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (made.folder, *made.folder.rglob("*/"))} == {0o700}
    held = b"".join(path.read_bytes() for path in made.folder.rglob("*") if path.is_file())
    assert SECRET.encode() not in held
    assert b"the-token-of-the-door" not in held
    assert sorted(path.name for path in made.folder.iterdir()) == ["backup.json", "events.db", "reconcile", "warehouse"]
    assert not (made.place.folder / "warehouse" / "backups").exists()
    assert not made.folder.with_name("backup.partial").exists()


def cut(folder: Path) -> None:
    with (folder / "events.db").open("r+b") as file:
        file.truncate(file.seek(0, 2) - 1)


def turn_a_bit(folder: Path) -> None:
    path = max((path for path in (folder / "warehouse").rglob("*.bin")), key=lambda path: path.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def take_away(folder: Path) -> None:
    next((folder / "warehouse" / "positions").rglob("*.bin")).unlink()


def put_in(folder: Path) -> None:
    (folder / "warehouse" / "foreign.bin").touch()


def link(folder: Path) -> None:
    (folder / "events.db").rename(folder.with_name("elsewhere.db"))
    (folder / "events.db").symlink_to(folder.with_name("elsewhere.db"))


def halve_manifest(folder: Path) -> None:
    path = folder / "backup.json"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def move_a_position(folder: Path) -> None:
    path = folder / "backup.json"
    path.write_text(path.read_text().replace('"next_offset": 41', '"next_offset": 51'))


def no_manifest(folder: Path) -> None:
    (folder / "backup.json").unlink()


def other_format(folder: Path) -> None:
    path = folder / "backup.json"
    path.write_text(path.read_text().replace(f'"format": {BACKUP_FORMAT}', '"format": 99'))


def newer_schema(folder: Path) -> None:
    path = folder / "backup.json"
    found = json.loads(path.read_text())
    found["schema"]["9999"] = "of a later version"
    newer = msgspec.convert(found, BackupManifest)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(newer, sha256=newer.checksum())))


HARMS: dict[Callable[[Path], None], str] = {
    cut: "events.db: is damaged",
    turn_a_bit: ".bin: is damaged",
    take_away: ".bin: is missing",
    put_in: "foreign.bin: is no file of the backup",
    link: "events.db: is damaged",
    halve_manifest: "is no manifest of a backup, or damaged",
    move_a_position: "is damaged or was changed",
    no_manifest: "no whole backup is here",
    other_format: "has format 99",
    newer_schema: "has migration 9999, which this version does not know",
}


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_what_is_harmed_is_told_and_nothing_is_touched(
    harm: Callable[[Path], None], made: Made, living: Living, tmp_path: Path
) -> None:
    folder, before = made.copy(tmp_path), living.everything()
    harm(folder)
    refused = living.run("restore", str(folder), "--replace")
    assert refused.exit_code == 1
    assert HARMS[harm] in refused.stderr
    assert living.everything() == before


def test_what_is_there_is_overwritten_by_nobody(made: Made, living: Living) -> None:
    before = living.everything()
    refused = living.run("restore", str(made.folder))
    assert refused.exit_code == 2
    assert "would be overwritten; with --replace it is moved aside" in refused.stderr
    assert living.everything() == before


def test_while_up_holds_the_files_nothing_is_touched(made: Made, living: Living) -> None:
    """Also while its engine is away, when nobody has the warehouse open."""
    before = living.everything()
    hold = FrontHold(Embedded(living.folder / "warehouse"))
    try:
        with pytest.raises(WarehouseHeldError, match="rollcall up"):
            living.restore(made.folder, replace=True)
    finally:
        hold.close()
    assert living.everything() == before


def test_while_a_process_has_the_log_open_nothing_is_touched(made: Made, living: Living) -> None:
    """`rollcall ingest` holds no warehouse."""
    with sqlite3.connect(living.folder / "events.db") as log:
        log.execute("SELECT count(*) FROM topics").fetchone()
        before = living.everything()
        with pytest.raises(BackupError, match="is in use"):
            living.restore(made.folder, replace=True)
        assert living.everything() == before
    log.close()


def test_with_replace_what_was_there_is_moved_aside(made: Made, living: Living, tmp_path: Path) -> None:
    shutil.copytree(living.folder, tmp_path / "copy", symlinks=True)
    one = Place(tmp_path / "copy")
    one.config.write_text(one.config.read_text().replace(str(living.folder), str(one.folder)))
    (one.folder / "reconcile" / "acme.json").write_text("an unfinished run's")
    done = one.restore(made.folder, replace=True)
    assert one.facts() == list(range(1, 41))
    assert not (one.folder / "reconcile" / "acme.json").exists()
    warehouse, log, state = done.aside
    assert (state / "acme.json").read_text() == "an unfinished run's"
    aside = place(tmp_path / "aside")
    warehouse.rename(aside.folder / "warehouse")
    log.rename(aside.folder / "events.db")
    assert aside.facts() == list(range(1, 61))


def test_who_was_forgotten_since_is_not_brought_back(made: Made, tmp_path: Path) -> None:
    one = place(tmp_path / "new")
    file = forgotten_file(one.settings)
    assert file
    file.add([ForgottenAccounts().entry_for("person7")])
    done = one.restore(made.folder)
    assert done.erased == 3  # 7 and 27 are in the warehouse too, 47 waits on the log
    assert b"person7" in (made.folder / "events.db").read_bytes()
    left = [path for path in one.folder.glob("events.db*") if b"person7" in path.read_bytes()]
    assert left == []
    assert sorted(path.name for path in one.folder.glob("*restoring*")) == []
    one.consume()
    assert set(range(1, 51)) - set(one.facts()) == {47}

    async def start() -> None:
        async with opened_with_warehouse(one.settings, "a test") as runtime:
            await erase_again(runtime.warehouse, file, one.settings.sites, one.settings.seats)

    asyncio.run(start())
    assert set(range(1, 51)) - set(one.facts()) == {7, 27, 47}


def test_an_older_warehouse_beside_a_newer_log_reads_again_what_it_lacks(
    made: Made, living: Living, tmp_path: Path
) -> None:
    shutil.copytree(living.folder, tmp_path / "copy", symlinks=True)
    one = Place(tmp_path / "copy")
    one.config.write_text(one.config.read_text().replace(str(living.folder), str(one.folder)))
    shutil.rmtree(one.folder / "warehouse")
    done = one.run("restore", str(made.folder), "--warehouse-only")
    assert done.exit_code == 0, done.output
    assert "read the log again from its beginning, 60 records" in done.stdout
    assert one.facts() == list(range(1, 41))
    one.consume()
    assert one.facts() == list(range(1, 61))


def test_other_settings_are_told(made: Made, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"topic_prefix: the log of the backup has no topic other\.activity"):
        place(tmp_path / "prefix", 'topic_prefix = "other"').restore(made.folder)
    server = place(tmp_path / "server")
    server.config.write_text(server.config.read_text().replace("chdb://", "clickhouse://user@localhost"))
    with pytest.raises(BackupError, match="warehouse_url: names a server"):
        server.restore(made.folder)


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_servers_have_ways_of_their_own(command: str, tmp_path: Path) -> None:
    one = place(tmp_path / "servers")
    text = one.config.read_text().replace("chdb://", "clickhouse://user@localhost")
    one.config.write_text(re.sub("sqlite://.*events.db", "kafka://localhost:9092", text))
    refused = one.run(command, str(tmp_path / "backup"))
    assert refused.exit_code == 2
    assert "min.insync.replicas" in refused.stderr
    assert "BACKUP DATABASE" in refused.stderr


def test_backup_where_something_is_or_where_nothing_is(made: Made, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(SettingsError, match="is there and not empty"):
        made.place.back_up(tmp_path / "full")
    with pytest.raises(SettingsError, match="is in the warehouse's own folder"):
        made.place.back_up(made.place.folder / "warehouse" / "backup")
    with pytest.raises(BackupError, match="log_url: there is nothing at"):
        place(tmp_path / "new").back_up(tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_what_the_engine_cannot_restore_leaves_all_as_it_was(
    made: Made, living: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: object) -> str:
        raise WarehouseUnavailableError("no room")

    before = living.everything()
    monkeypatch.setattr(restorer, "restore", failing)
    with pytest.raises(WarehouseUnavailableError, match="no room"):
        living.restore(made.folder, replace=True)
    assert living.everything() == before
    assert not list(living.folder.glob("*.restoring*"))


def test_names_that_were_changed_are_changed_back(tmp_path: Path) -> None:
    """A disk may refuse at any of them, as a mount point does."""
    (tmp_path / "old").touch()
    (tmp_path / "new").touch()
    moves = [("old", "aside"), ("new", "old"), ("nothing", "other")]
    with pytest.raises(FileNotFoundError):
        restorer._rename_all([(tmp_path / source, tmp_path / target) for source, target in moves])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old"]
