"""When the daily run is due."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from reconcile.schedule import is_due, last_due

BERLIN = ZoneInfo("Europe/Berlin")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "turn"),
    [
        ("2026-11-23T01:29:59", "2026-11-22T01:30:00"),
        ("2026-11-23T01:30:00", "2026-11-23T01:30:00"),
        ("2026-11-23T23:30:00", "2026-11-23T01:30:00"),
        ("2026-03-29T00:45:00", "2026-03-28T01:30:00"),  # 02:30 does not exist on this day
        ("2026-03-29T01:45:00", "2026-03-29T01:30:00"),
        ("2026-10-25T00:45:00", "2026-10-25T00:30:00"),  # 02:30 comes twice
        ("2026-10-25T01:45:00", "2026-10-25T00:30:00"),
    ],
)
def test_the_latest_turn(now: str, turn: str) -> None:
    assert last_due(utc(now), "02:30", BERLIN).astimezone(UTC) == utc(turn)


def test_due_at_once_when_there_never_was_a_run() -> None:
    assert is_due(utc("2026-11-23T12:00:00"), None, "02:30", BERLIN)


def test_once_a_day_and_missed_runs_are_made_up_for() -> None:
    runs, last = 0, utc("2026-11-20T01:31:00")
    for minutes in range(3 * 24 * 60):
        now = utc("2026-11-20T01:31:00") + timedelta(minutes=minutes)
        if is_due(now, last, "02:30", BERLIN):
            runs, last = runs + 1, now
    assert runs == 3
    assert is_due(utc("2026-11-29T12:00:00"), last, "02:30", BERLIN)
