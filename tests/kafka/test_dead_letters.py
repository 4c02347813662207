"""Dead letters as a topic: listed with reason and position, shown, replayed once they can be understood."""

import asyncio
import json
from typing import Any

import pytest

from rollcall.eventlog import Record
from rollcall.records import DeadLetter, encode
from rollcall.runtime import opened, topics_of
from rollcall.settings import load_settings
from tests.endtoend.oracle import assert_stored
from tests.endtoend.webhooks import comment_created
from tests.kafka.installation import OnKafka

pytestmark = pytest.mark.anyio

NOT_A_RECORD = b'{"site": "acme", "family": "weather"}'


def listed(on_kafka: OnKafka, *more: str) -> dict[str, dict[str, Any]]:
    rows = json.loads(on_kafka.run("deadletter", "list", "--format", "json", *more).stdout)
    assert [row["received_at"] for row in rows] == sorted(row["received_at"] for row in rows)
    return {row["reason"]: row for row in rows}


async def append(on_kafka: OnKafka, topic: str, value: bytes) -> None:
    settings = load_settings(on_kafka.config)
    async with opened(settings, "a test") as runtime:
        await runtime.log.append(f"{on_kafka.topic_prefix}.{topic}", [Record(value, b"a key of its own")])


async def test_listed_shown_and_replayed(on_kafka: OnKafka) -> None:
    topics = topics_of(load_settings(on_kafka.config))
    await asyncio.to_thread(on_kafka.begin)
    assert on_kafka.post(b"no JSON at all") == 204
    assert on_kafka.post(comment_created(1)[1]) == 204
    await append(on_kafka, "activity", NOT_A_RECORD)
    # As another version left it, which could not read what this one can.
    old = DeadLetter(
        letter_id="ab" * 16,
        site="acme",
        origin="webhook",
        reason="fault",
        detail="Rollcall failed.",
        payload=comment_created(2)[1],
        received_at=1_795_000_000_000,
    )
    await append(on_kafka, "deadletter", encode(old))
    async with asyncio.timeout(60):
        while len(letters := await asyncio.to_thread(listed, on_kafka)) < 3:
            await asyncio.sleep(0.2)
    assert set(letters) == {"not_json", "bad_record", "fault"}
    poison = letters["bad_record"]
    assert (poison["site"], poison["origin"]) == ("acme", topics.activity.name)
    shown = json.loads(on_kafka.run("deadletter", "show", poison["id"], "--format", "json").stdout)
    assert shown[0]["position"].startswith(f"{topics.activity.name}/")
    assert shown[0]["position"].rpartition("@")[2].isdigit()
    assert on_kafka.run("deadletter", "show", poison["id"], "--payload").stdout.encode() == NOT_A_RECORD

    replay = on_kafka.run("deadletter", "replay", "--all", check=False)
    assert replay.returncode == 3, replay.stderr
    assert "1 dead letters replayed, 1 records put on the log, 2 stay" in replay.stdout
    assert set(listed(on_kafka)) == {"not_json", "bad_record"}
    assert set(listed(on_kafka, "--all")) == {"not_json", "bad_record", "fault"}
    await on_kafka.finish()
    await assert_stored(on_kafka.warehouse_url, {1, 2}, {1, 2})
