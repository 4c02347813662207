"""The first start of `up` asks Jira by itself: who there is, which seats they hold, what the webhooks missed."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from ..ports import free_port
from .installation import PATIENCE, rollcall


def test_the_demo_reads_the_company_from_rest_at_its_first_start(tmp_path: Path) -> None:
    config = tmp_path / "rollcall.toml"
    output = tmp_path / "output"
    addresses = ("--listen", f"127.0.0.1:{free_port()}", "--sql-listen", f"127.0.0.1:{free_port()}")
    size = ("--people", "30", "--days", "10", "--live-per-minute", "0")

    def report(name: str) -> list[dict[str, Any]]:
        command = rollcall("report", name, "--format", "json", "--config", str(config))
        done = subprocess.run(command, capture_output=True, check=False)
        rows: list[dict[str, Any]] = json.loads(done.stdout) if done.returncode == 0 else []
        return rows

    with output.open("wb") as written:
        demo = subprocess.Popen(
            rollcall("demo", *size, *addresses, "--folder", str(tmp_path)), stdout=written, stderr=written
        )
    deadline = time.monotonic() + PATIENCE * 2
    while sum(row["known"] for row in report("coverage")) < 500 or not (licenses := report("licenses")):
        assert demo.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.5)
    users, seats, savings = report("users"), report("seats"), report("savings")
    demo.send_signal(signal.SIGINT)
    assert demo.wait(PATIENCE) == 0, output.read_text()
    assert "Traceback" not in output.read_text()

    assert {row["product"] for row in licenses} >= {"jira-software", "jira-servicedesk"}
    assert sum(row["assigned"] for row in licenses) > 10
    assert len(users) >= 29
    assert all(row["name"] for row in users)
    assert {row["status"] for row in users} <= {"active", "inactive"}
    assert any(row["looked_as_of"] for row in seats)
    assert {row["product"]: row["bill"] > 0 for row in savings if row["bill"] is not None} == {
        "jira-software": True,
        "jira-servicedesk": True,
    }
