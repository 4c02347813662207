"""A person is forgotten while `up` runs: by files, tables, page, API, metrics and what it printed."""

import subprocess
import time
from pathlib import Path

import httpx

from .installation import Installation, rollcall
from .webhooks import Told

THEIRS, ANOTHERS = Told(1, "comment"), Told(2, "comment")


def test_while_up_runs_killed_in_the_middle_and_again(tmp_path: Path) -> None:
    up = Installation(tmp_path, measured=True)
    up.start()
    for told in (THEIRS, ANOTHERS):
        assert up.post(told.body) == 204
    assert up.post(b'{"user": "%s"' % THEIRS.account_id.encode()) == 204
    up.wait_until_written()
    up.wait_for("/readyz")
    assert up.run("forget", "--verify", THEIRS.account_id, check=False).returncode == 1

    command = rollcall("forget", "--yes", THEIRS.account_id, "--config", str(up.config))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as cut_short:
        deadline = time.monotonic() + 60
        while not (tmp_path / "events.db-forgotten").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        cut_short.kill()
    printed = tmp_path / "up.log"
    done = up.run("forget", "--yes", THEIRS.account_id, "--also", str(printed), check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert done.stdout.endswith("the id stands nowhere\n")

    assert up.post(THEIRS.body) == 204
    assert up.post(b'{"user": "%s"' % THEIRS.account_id.encode()) == 204
    assert up.post(ANOTHERS.body) == 204
    up.wait_until_written()
    assert [row["account_id"] for row in up.report("users", "--days", "9999")] == [ANOTHERS.account_id]
    shown = [
        httpx.get(up.url + path, cookies=up.session, timeout=60).text
        for path in ("/", "/people", "/health", "/metrics")
    ]
    assert not any(THEIRS.account_id in text for text in shown)
    assert up.run("forget", "--verify", THEIRS.account_id, "--also", str(printed)).stdout == "the id stands nowhere\n"

    # A log without a file of whom to keep out, and a warehouse that was put back from before, say the same.
    assert up.stop() == 0, up.output
    assert up.run("forget", "--verify", THEIRS.account_id).stdout == "the id stands nowhere\n"


def test_a_warehouse_from_before_forgets_again(tmp_path: Path) -> None:
    up = Installation(tmp_path, measured=True)
    up.start()
    for told in (THEIRS, ANOTHERS):
        assert up.post(told.body) == 204
    up.wait_until_written()
    assert up.stop() == 0, up.output
    subprocess.run(["cp", "-a", str(tmp_path / "warehouse"), str(tmp_path / "before")], check=True)
    assert up.run("forget", "--yes", THEIRS.account_id).stdout.endswith("the id stands nowhere\n")

    subprocess.run(["rm", "-r", str(tmp_path / "warehouse")], check=True)
    (tmp_path / "before").rename(tmp_path / "warehouse")
    assert up.run("forget", "--verify", THEIRS.account_id, check=False).returncode == 1
    up.start()
    up.wait_for("/readyz")
    deadline = time.monotonic() + 60
    while (left := up.run("forget", "--verify", THEIRS.account_id, check=False)).returncode:
        assert time.monotonic() < deadline, (left.stdout, up.output)
        time.sleep(0.5)
    up.wait_until_written()
    assert [row["account_id"] for row in up.report("users", "--days", "9999")] == [ANOTHERS.account_id]
    assert up.stop() == 0, up.output
