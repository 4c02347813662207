"""What each tagged version wrote opens in this one: its backup is restored, migrated, read and written on."""

import tarfile
from pathlib import Path

import pytest

from ..backup.conftest import place
from .first_version import IN_WAREHOUSE, LETTER, ON_LOG_ONLY

WRITTEN = sorted(Path(__file__).parent.glob("*.tar.xz"))


def test_there_is_one_of_the_first_version() -> None:
    assert "backup-0.1.0.tar.xz" in [path.name for path in WRITTEN]


@pytest.mark.parametrize("written", WRITTEN, ids=lambda path: path.name)
def test_what_it_wrote_opens_in_this_version(written: Path, tmp_path: Path) -> None:
    with tarfile.open(written) as archive:
        archive.extractall(tmp_path, filter="data")
    one = place(tmp_path / "installation")
    restored = one.restore(tmp_path / "backup")
    assert restored.again == len(ON_LOG_ONLY)
    one.post(range(9, 12))
    one.consume()  # migrates first, as `up` does
    assert one.facts() == [*IN_WAREHOUSE, *ON_LOG_ONLY, *range(9, 12)]
    assert one.on_log(lambda topics: topics.deadletter.name) == [LETTER]
    people = {row["account_id"]: row for row in one.rows("report", "users")}
    assert people["person1"]["name"] == "Person 1"
    assert people["person1"]["licenses"] == ["jira-software"]
