"""Dead letters: listed, shown without what people wrote, replayed once the cause is mended."""

import json
from typing import Any

import msgspec
import pytest

from rollcall.records import DeadLetter, decode_activity, encode

from ..endtoend.webhooks import comment_created
from ..facts import fact, ms
from .conftest import Shell

WHEN = ms("2026-11-20T10:00:00")


def letter(number: int, payload: bytes, origin: str = "webhook", **changes: Any) -> DeadLetter:
    return DeadLetter(
        letter_id=f"{number:04}" * 8,
        site="acme",
        origin=origin,
        reason="not_json",
        detail="No JSON.",
        payload=payload,
        received_at=WHEN,
        **changes,
    )


def activity(shell: Shell) -> set[str]:
    return {decode_activity(value).event_key for value in shell.on_log(lambda topics: topics.activity.name)}


def test_listed_oldest_first_and_each_once(shell: Shell) -> None:
    for number in (3, 1, 3):
        shell.append_letter(letter(number, b"x" * number))
    rows = shell.rows("deadletter", "list")
    assert [(row["id"][:4], row["bytes"], row["reason"]) for row in rows] == [
        ("0003", 3, "not_json"),
        ("0001", 1, "not_json"),
    ]
    assert rows[0]["received_at"] == "2026-11-20T10:00:00.000Z"


def test_shown_by_the_first_digits_of_its_id(shell: Shell) -> None:
    shell.append_letter(letter(7, b'{"comment": "secret plans"}'))
    result = shell.run("deadletter", "show", "0007")
    assert result.exit_code == 0
    assert "No JSON." in result.stdout
    assert "secret plans" not in result.stdout
    assert shell.run("deadletter", "show", "0007", "--payload").stdout == '{"comment": "secret plans"}'


@pytest.mark.parametrize("wrong", ["9999", "0", "00070008"])
def test_an_id_that_names_no_letter(shell: Shell, wrong: str) -> None:
    shell.append_letter(letter(7, b"x"))
    result = shell.run("deadletter", "show", wrong)
    assert result.exit_code == 1
    assert "rollcall deadletter list" in result.stderr


def test_replay_puts_facts_on_the_log_and_settles_the_letter(shell: Shell) -> None:
    key, body = comment_created(42)
    shell.append_letter(letter(1, body))
    shell.append_letter(letter(2, b"still no JSON"))
    shell.append_letter(letter(3, encode(fact("history:5", WHEN)), origin="rollcall.activity"))
    result = shell.run("deadletter", "replay", "--all")
    assert result.exit_code == 3
    assert "2 dead letters replayed, 2 records put on the log, 1 stay" in result.stdout
    assert "00020002" in result.stderr
    assert activity(shell) == {key, "history:5"}
    assert [row["id"][:4] for row in shell.rows("deadletter", "list")] == ["0002"]
    assert {row["id"][:4]: row["settled"] for row in shell.rows("deadletter", "list", "--all")} == {
        "0001": "replayed",
        "0002": "",
        "0003": "replayed",
    }


def test_what_a_clock_that_was_behind_refused_can_be_replayed(shell: Shell) -> None:
    """The receipt's time is the wrong clock's, so that the fact must be judged by today's."""
    key, body = comment_created(42)
    behind = ms("2020-01-01T00:00:00")
    shell.append_letter(msgspec.structs.replace(letter(1, body), reason="implausible_time", received_at=behind))
    result = shell.run("deadletter", "replay", "--all")
    assert result.exit_code == 0, result.output
    (kept,) = (decode_activity(value) for value in shell.on_log(lambda topics: topics.activity.name))
    assert (kept.event_key, kept.received_at) == (key, behind)


def test_a_time_that_is_still_ahead_is_not_replayed(shell: Shell) -> None:
    _, body = comment_created(42)
    ahead = json.loads(body)
    ahead["comment"]["created"] = "2099-01-01T00:00:00.000+0000"
    shell.append_letter(letter(1, json.dumps(ahead).encode()))
    assert shell.run("deadletter", "replay", "--all").exit_code == 3
    assert activity(shell) == set()


def test_a_settled_letter_keeps_its_payload_for_looking_at(shell: Shell) -> None:
    _, body = comment_created(42)
    shell.append_letter(letter(1, body))
    assert shell.run("deadletter", "replay", "0001").exit_code == 0
    assert json.loads(shell.run("deadletter", "show", "0001", "--payload").stdout) == json.loads(body)


def test_the_same_body_sent_again_after_a_replay_is_open_again(shell: Shell) -> None:
    _, body = comment_created(42)
    shell.append_letter(letter(1, body))
    shell.run("deadletter", "replay", "--all")
    shell.append_letter(msgspec.structs.replace(letter(1, body), received_at=WHEN + 1))
    assert len(shell.rows("deadletter", "list")) == 1


def test_what_is_on_the_topic_and_no_letter_is_passed_over(shell: Shell) -> None:
    shell.append(lambda topics: topics.deadletter.name, b"garbage")
    shell.append_letter(letter(1, b"x"))
    assert len(shell.rows("deadletter", "list")) == 1


def test_replay_wants_to_know_which(shell: Shell) -> None:
    assert shell.run("deadletter", "replay").exit_code == 2
    assert shell.run("deadletter", "replay", "0001", "--all").exit_code == 2


def test_a_letter_from_a_topic_of_other_settings_stays(shell: Shell) -> None:
    shell.append_letter(letter(1, b"x", origin="other.activity"))
    result = shell.run("deadletter", "replay", "--all")
    assert result.exit_code == 3
    assert "a topic that is not in the settings" in result.stderr
