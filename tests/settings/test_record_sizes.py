"""Sizes of bodies and records fit together, or are refused: what a body's dead letter takes is known beforehand."""

from pathlib import Path

import pytest

from ingest.handler import FLOW, IDENTIFIER, RETRY, webhook_dead_letter
from rollcall.errors import NotUnderstoodError, SettingsError
from rollcall.eventlog.kafka.producer import OVERHEAD
from rollcall.records import dead_letter_bytes, encode, largest_body
from rollcall.settings import load_settings

MIB = 1024 * 1024
LONGEST_DETAIL = 256  # more than twice the longest that the code has


def config(folder: Path, body_limit: int, message_bytes: int, log_url: str = "kafka://one:9092") -> Path:
    path = folder / "rollcall.toml"
    path.write_text(
        f"""
        log_url = "{log_url}"
        [ingest]
        body_limit = {body_limit}
        [kafka]
        message_bytes = {message_bytes}
        """
    )
    return path


@pytest.mark.parametrize("size", [0, 1, 2, 3, 1000])
def test_no_letter_takes_more_than_is_reckoned_with(size: int) -> None:
    headers = dict.fromkeys((FLOW, IDENTIFIER, RETRY), "\x01" * 1000)  # six bytes each in JSON, and cut
    error = NotUnderstoodError("implausible_time", "x" * LONGEST_DETAIL)
    made = webhook_dead_letter("s" * 63, b"\xff" * size, headers, error, 4_102_444_799_999)
    taken = len(encode(made)) + len(made.letter_id.encode()) + OVERHEAD
    assert dead_letter_bytes(size) // 2 < taken <= dead_letter_bytes(size)


@pytest.mark.parametrize("record", [MIB, MIB + 1, MIB + 2, MIB + 3, 48 * MIB])
def test_the_largest_body_is_the_largest(record: int) -> None:
    body = largest_body(record)
    assert dead_letter_bytes(body) <= record < dead_letter_bytes(body + 1)


def test_a_body_whose_letter_would_not_fit_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(config(tmp_path, 64 * MIB, 48 * MIB))
    told = str(refused.value)
    assert f"ingest.body_limit is {64 * MIB}" in told
    assert f"set kafka.message_bytes to at least {dead_letter_bytes(64 * MIB)} " in told
    assert f"ingest.body_limit to at most {largest_body(48 * MIB)}" in told


def test_the_values_that_are_named_will_do_and_the_next_ones_will_not(tmp_path: Path) -> None:
    body = 40 * MIB
    load_settings(config(tmp_path, body, dead_letter_bytes(body)))
    load_settings(config(tmp_path, largest_body(48 * MIB), 48 * MIB))
    for body_limit, message_bytes in ((body, dead_letter_bytes(body) - 1), (largest_body(48 * MIB) + 1, 48 * MIB)):
        with pytest.raises(SettingsError):
            load_settings(config(tmp_path, body_limit, message_bytes))


def test_another_log_has_no_such_limit(tmp_path: Path) -> None:
    assert load_settings(config(tmp_path, 64 * MIB, MIB, "sqlite:///events.db")).ingest.body_limit == 64 * MIB
