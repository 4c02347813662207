"""The warehouse's folder goes away, comes back, or is another one: what was answered 204 is there in the end."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import httpx

from .installation import PATIENCE, Installation
from .webhooks import comment_created


def not_ready(up: Installation) -> str:
    """Wait until `/readyz` is not content, and return what it says."""
    deadline = time.monotonic() + PATIENCE
    while (answer := httpx.get(f"{up.url}/readyz", timeout=10)).status_code == httpx.codes.OK:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return answer.text


def checked(up: Installation, subject: str) -> dict[str, Any]:
    rows = json.loads(up.run("check", "--local", "--format", "json", check=False).stdout)
    [row] = [row for row in rows if row["subject"] == subject]
    found: dict[str, Any] = row
    return found


def days(up: Installation) -> int:
    return len(up.report("days", "--days", "9999"))


def test_it_is_moved_away_put_back_lost_and_restored(tmp_path: Path) -> None:
    up = Installation(tmp_path)
    folder, away = tmp_path / "warehouse", tmp_path / "away"
    up.start()
    up.wait_for("/readyz")
    assert {up.post(comment_created(one)[1]) for one in range(1, 21)} == {204}
    up.wait_until_written()
    assert checked(up, "positions")["ok"]

    folder.rename(away)
    assert {up.post(comment_created(one)[1]) for one in range(21, 26)} == {204}
    assert "was moved, deleted or replaced while in use" in not_ready(up)
    assert up.lag() == 5
    shutil.rmtree(folder, ignore_errors=True)
    away.rename(folder)
    up.wait_for("/readyz")
    up.wait_until_written()
    assert days(up) == 25

    assert up.stop() == 0, up.output
    shutil.copytree(folder, tmp_path / "backup", symlinks=True)
    up.start()
    assert {up.post(comment_created(one)[1]) for one in range(26, 31)} == {204}
    up.wait_until_written()
    folder.rename(away)
    assert up.post(comment_created(31)[1]) == 204
    up.kill()
    shutil.rmtree(folder, ignore_errors=True)
    assert "another warehouse" in up_to_date(up)
    assert days(up) == 31

    assert up.stop() == 0, up.output
    shutil.rmtree(folder)
    (tmp_path / "backup").rename(folder)
    assert not checked(up, "positions")["ok"]
    assert "another warehouse" in up_to_date(up)
    assert days(up) == 31
    assert up.stop() == 0, up.output


def up_to_date(up: Installation) -> str:
    """Start it and wait until nothing is left; return the line about reading again."""
    before = len(up.output)
    up.start()
    up.wait_for("/readyz")
    up.wait_until_written()
    assert checked(up, "positions")["ok"]
    lines = [line for line in up.output[before:].splitlines() if "read again from its beginning" in line]
    assert len([line for line in lines if "rollcall.activity" in line]) == 1, lines
    return lines[0]
