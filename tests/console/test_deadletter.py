"""Dead letters: listed, shown without what people wrote, replayed once the cause is mended."""

import json
from typing import Any

import msgspec
import pytest

from console.output import print_payload
from ingest.handler import Translation, translate
from rollcall.clock import now_ms
from rollcall.records import DeadLetter, decode_activity, encode

from ..endtoend.webhooks import comment_created
from ..facts import fact, ms
from .conftest import Shell

WHEN = ms("2026-11-20T10:00:00")


def letter(number: int, payload: bytes, origin: str = "webhook", **changes: Any) -> DeadLetter:
    made = DeadLetter(
        letter_id=f"{number:04}" * 8,
        site="acme",
        origin=origin,
        reason="not_json",
        detail="No JSON.",
        payload=payload,
        received_at=WHEN,
    )
    return msgspec.structs.replace(made, **changes)


def ids(shell: Shell, *options: str) -> list[str]:
    return [row["id"][:4] for row in shell.rows("deadletter", "list", *options)]


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


@pytest.mark.parametrize("clock", ["2020-01-01", "1970-01-02", "2080-01-01", "2150-01-01"])
def test_what_a_clock_that_was_wrong_refused_can_be_replayed(shell: Shell, clock: str) -> None:
    """The receipt's time is the wrong clock's, so that the fact must be judged by today's."""
    key, body = comment_created(42)
    behind, begun = ms(f"{clock}T00:00:00"), now_ms()
    shell.append_letter(msgspec.structs.replace(letter(1, body), reason="implausible_time", received_at=behind))
    result = shell.run("deadletter", "replay", "--all")
    assert result.exit_code == 0, result.output
    (kept,) = (decode_activity(value) for value in shell.on_log(lambda topics: topics.activity.name))
    assert kept.event_key == key
    assert kept.received_at == behind if clock == "2020-01-01" else begun <= kept.received_at <= now_ms()


def test_a_dead_letter_on_which_rollcall_fails_keeps_no_other_from_being_replayed(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(site: str, body: bytes, flow: str, received_at: int) -> Translation:
        if body == b"{}":
            raise KeyError("secret text")
        return translate(site, body, flow, received_at)

    monkeypatch.setattr("console.dead_letter_queue.translate", broken)
    key, body = comment_created(42)
    shell.append_letter(letter(1, b"{}", reason="fault"))
    shell.append_letter(letter(2, body))
    result = shell.run("deadletter", "replay", "--all")
    assert (result.exit_code, "1 dead letters replayed, 1 records put on the log, 1 stay" in result.stdout) == (3, True)
    assert "Rollcall failed on this payload with KeyError; please report it" in result.stderr
    assert "secret" not in result.stderr
    assert activity(shell) == {key}


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


def three_letters(shell: Shell) -> None:
    shell.append_letter(letter(1, b"x"))
    shell.append_letter(letter(2, b"x", site="other"))
    shell.append_letter(letter(3, b"x", reason="refused_row", origin="rollcall.activity"))


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        (["--site", "acme"], ["0001", "0003"]),
        (["--reason", "not_json"], ["0001", "0002"]),
        (["--site", "acme", "--reason", "not_json"], ["0001"]),
        (["--site", "nobody"], []),
    ],
)
def test_list_replay_and_dismiss_by_site_and_reason(shell: Shell, options: list[str], chosen: list[str]) -> None:
    three_letters(shell)
    assert ids(shell, *options) == chosen
    replayed = shell.run("deadletter", "replay", *options)
    assert f"{len(chosen)} stay" in replayed.stdout
    dismissed = shell.run("deadletter", "dismiss", *options)
    assert (dismissed.exit_code, dismissed.stdout) == (0, f"{len(chosen)} dead letters dismissed\n")
    assert ids(shell) == [name for name in ("0001", "0002", "0003") if name not in chosen]
    settled = {row["id"][:4]: row["settled"] for row in shell.rows("deadletter", "list", "--all")}
    assert settled == {name: "dismissed" if name in chosen else "" for name in ("0001", "0002", "0003")}


def test_one_is_dismissed_by_the_first_digits_of_its_id(shell: Shell) -> None:
    three_letters(shell)
    assert shell.run("deadletter", "dismiss", "0003", "00030003").stdout == "1 dead letters dismissed\n"
    assert ids(shell) == ["0001", "0002"]
    assert shell.run("deadletter", "dismiss", "0003").exit_code == 1, "it is settled"
    assert shell.run("deadletter", "dismiss").exit_code == 2
    assert shell.run("deadletter", "dismiss", "0001", "--reason", "not_json").exit_code == 2


def test_a_dismissal_holds_when_the_same_letter_comes_again(shell: Shell) -> None:
    """A record that ClickHouse refuses becomes the same dead letter whenever the log is read again."""
    shell.append_letter(letter(1, b"x"))
    shell.run("deadletter", "dismiss", "0001")
    shell.append_letter(letter(1, b"x", received_at=WHEN + 1000))
    assert ids(shell) == []
    shell.append_letter(letter(1, b"", received_at=WHEN + 2000, settled="replayed"))
    assert [row["settled"] for row in shell.rows("deadletter", "list", "--all")] == ["dismissed"]


def test_shown_in_lines_that_can_be_copied(shell: Shell) -> None:
    detail = "A sentence that is far longer than any terminal is wide. " * 8
    shell.append_letter(letter(7, b"x", detail=detail + "\x1b[31m"))
    lines = shell.run("deadletter", "show", "0007").stdout.splitlines()
    assert lines[:5] == [
        f"id: {'0007' * 8}",
        "received_at: 2026-11-20T10:00:00.000Z",
        "site: acme",
        "origin: webhook",
        "reason: not_json",
    ]
    assert f"detail: {detail}\\u001b[31m" in lines
    assert lines[-1] == "settled:"
    assert (
        json.loads(shell.run("deadletter", "show", "0007", "--format", "json").stdout)[0]["detail"]
        == detail + "\x1b[31m"
    )


def test_a_payload_cannot_write_to_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = b"a\x1b]0;title\x07\n\x1b[2J\xff\xe2\x80\xaeb"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_payload(hostile)
    assert capsys.readouterr().out == "a\\u001b]0;title\\u0007\n\\u001b[2J\\xff\\u202eb\n"


def test_check_counts_each_dead_letter_once(shell: Shell) -> None:
    for _ in range(10):
        shell.append_letter(letter(1, b"x"))
    shell.append_letter(letter(2, b"x"))
    shell.run("deadletter", "dismiss", "0002")
    findings = {row["subject"]: row for row in json.loads(shell.run("check", "--local", "--format", "json").stdout)}
    assert "1 open dead letters" in findings["event log"]["found"]
