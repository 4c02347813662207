"""What people wrote in Jira is nowhere but in dead letters: every text of real payloads is a marker, looked for."""

import json
from pathlib import Path
from typing import Any

import httpx

from .installation import Installation

SAMPLES = Path(__file__).parents[1] / "samples" / "webhooks" / "cloud"
MARKER = "Marker-7f3a19c2d4"
KEPT = {
    *("webhookEvent", "issue_event_type_name", "id", "issueId", "key", "projectTypeKey", "fieldId"),
    *("accountId", "accountType", "created", "updated"),
}
"""Names of the parts that are ids, kinds and times; all other text is somebody's words."""


def marked(part: Any, name: str = "") -> Any:
    if isinstance(part, dict):
        return {key: marked(value, key) for key, value in part.items()}
    if isinstance(part, list):
        return [marked(one, name) for one in part]
    return MARKER if isinstance(part, str) and name not in KEPT else part


def test_they_stand_in_dead_letters_and_nowhere_else(tmp_path: Path) -> None:
    up = Installation(tmp_path, measured=True)
    up.start()
    bodies = [json.dumps(marked(json.loads(path.read_text()))).encode() for path in sorted(SAMPLES.glob("*.json"))]
    assert all(MARKER.encode() in body for body in bodies)
    assert {up.post(body) for body in bodies} == {204}
    up.wait_until_written()
    up.wait_for("/readyz")
    assert up.report("days", "--days", "9999", "--all-accounts")
    printed = str(tmp_path / "up.log")
    verified = up.run("forget", "--verify", MARKER, "--also", printed, check=False)
    assert (verified.returncode, verified.stdout) == (0, "the id stands nowhere\n")

    assert up.post(f'{{"comment": "{MARKER}", broken'.encode()) == 204
    verified = up.run("forget", "--verify", MARKER, "--also", printed, check=False)
    places = [line for line in verified.stdout.splitlines() if not line.startswith(f"{tmp_path}/events.db")]
    assert (verified.returncode, places) == (1, ["topic rollcall.deadletter: 1 records"])
    listed = up.run("deadletter", "list").stdout
    shown = [
        httpx.get(up.url + path, cookies=up.session, timeout=60).text
        for path in ("/", "/people", "/health", "/metrics", "/readyz", "/api/v1/users")
    ]
    assert "not_json" in listed
    assert not any(MARKER in text for text in [listed, up.output, *shown])
    assert up.stop() == 0, up.output
