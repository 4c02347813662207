"""Jira's ways to write a moment."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.jira.values import EARLIEST_MS, LATEST_MS, parse_jira_time

moments = st.integers(EARLIEST_MS, LATEST_MS - 1)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-09-23T00:18:35.652+0530", 1790102915652),
        ("2019-02-15T19:11:18.321-0800", 1550286678321),
        ("2026-09-22T18:48:35.652Z", 1790102915652),
        ("2026-09-22T18:48:35.652+00:00", 1790102915652),
        ("2026-09-22T18:48:35+0000", 1790102915000),
        ("2026-09-22 18:48:35.6529 +0000", 1790102915652),
        ("2026-09-22T18:48:35.5Z", 1790102915500),
        ("2026-09-22T18:48:35.05+0000", 1790102915050),
        ("2026-09-22T18:48:35.65+0000", 1790102915650),
        (1790102915652, 1790102915652),
        ("1790102915652", 1790102915652),
        (1790102915, 1790102915000),
        ("1790102915", 1790102915000),
    ],
)
def test_forms_seen(written: object, expected: int) -> None:
    assert parse_jira_time(written) == expected


@pytest.mark.parametrize(
    "written",
    [
        None, True, 1.5, [], {}, "", "yesterday", "2026-09-22", "2026-09-22T18:48:35.652", "2026-W39-2T18:48:35Z",
        "2026-13-22T18:48:35.652Z", "2026-02-30T18:48:35.652Z", "2026-09-22T25:48:35.652Z", "1999-01-01T00:00:00Z",
        "2100-01-01T00:00:00Z", "٢٠٢٦-09-22T18:48:35Z", 5, -1790102915652, 10**20, "9" * 13, "0", "1" * 400,
        "2026-09-22T18:48:35.652+2500", "2026-09-22T18:48:35.652Z\n",
    ],
)  # fmt: skip
def test_what_is_no_moment(written: object) -> None:
    with pytest.raises(ValueError, match="time") as caught:
        parse_jira_time(written)
    assert len(str(written)) < 8 or str(written)[:8] not in str(caught.value)


@given(moments, offsets)
def test_any_moment_in_any_zone_round_trips(moment: int, zone: timezone) -> None:
    local = datetime.fromtimestamp(moment // 1000, UTC).astimezone(zone)
    written = f"{local:%Y-%m-%dT%H:%M:%S}.{moment % 1000:03}{local:%z}"
    assert parse_jira_time(written) == moment


@given(st.text() | st.integers() | st.floats() | st.none() | st.binary())
def test_anything_is_a_moment_in_range_or_a_value_error(value: object) -> None:
    try:
        moment = parse_jira_time(value)
    except ValueError:
        return
    assert EARLIEST_MS <= moment < LATEST_MS
