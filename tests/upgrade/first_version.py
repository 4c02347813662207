"""Write the fixture of a version: ``python -m tests.upgrade.first_version FILE``, a backup of a handful of facts.

Run once for a version, and never again for it: what a later version must open is what that one wrote.
"""

import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from rollcall.records import Directory, License, Seats, SnapshotComplete, User, encode

from ..backup.conftest import Place, place

IN_WAREHOUSE, ON_LOG_ONLY = range(1, 6), range(6, 9)
LETTER = b'{"payload": "kept"}'
SNAPSHOT = 1_795_000_000_000
"""2026-11-18, epoch ms."""


def directory() -> list[Directory]:
    """Two people, one license."""
    base: dict[str, Any] = {"site": "acme", "snapshot_id": SNAPSHOT}
    people = [
        User(
            **base,
            account_id=f"person{n}",
            display_name=f"Person {n}",
            email=None,
            account_type="atlassian",
            active=True,
        )
        for n in (1, 2)
    ]
    return [
        *people,
        License(**base, product="jira-software", account_id="person1"),
        Seats(**base, product="jira-software", total=10, used=1),
        SnapshotComplete(
            **base,
            completed_at=SNAPSHOT + 1000,
            users=2,
            licenses=1,
            roles=0,
            seats=1,
        ),
    ]


def fill(one: Place) -> None:
    """Facts in the warehouse, a directory beside them, later facts and a dead letter on the log alone."""
    one.post(IN_WAREHOUSE)
    one.append(lambda topics: topics.directory.name, *map(encode, directory()))
    one.consume()
    one.post(ON_LOG_ONLY)
    one.append(lambda topics: topics.deadletter.name, LETTER)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = SNAPSHOT // 1000
    return member


def write(file: Path) -> None:
    """Write the fixture."""
    with tempfile.TemporaryDirectory() as base:
        one = place(Path(base) / "installation")
        fill(one)
        one.back_up(Path(base) / "backup")
        with tarfile.open(file, "w:xz") as archive:
            archive.add(Path(base) / "backup", "backup", filter=_anonymous)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
