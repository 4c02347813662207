"""Records of all sizes, up to the dead letter of the largest body that is taken."""

import base64
import random

import pytest

from ingest.handler import FLOW, IDENTIFIER, RETRY, WebhookHandler
from rollcall.errors import LogUnavailableError
from rollcall.eventlog import Record
from rollcall.eventlog.kafka.producer import OVERHEAD
from rollcall.records import decode_dead_letter, largest_body
from rollcall.runtime import Topics
from rollcall.settings import IngestSettings
from tests.eventlog.contract import read_all, scanned
from tests.kafka.place import KafkaPlace, small

pytestmark = pytest.mark.anyio


async def test_the_dead_letter_of_the_largest_body(place: KafkaPlace) -> None:
    body = random.Random(1).randbytes(IngestSettings().body_limit)  # noise, which no compression makes smaller
    value = b'{"payload":"' + base64.b64encode(body) + b'","headers":{"x":"' + b"y" * 16_000 + b'"}}'
    place.settings = small(append_timeout=60, request_timeout=30)
    log = await place.open()
    try:
        for topic in (place.letters.name, place.consumed.name):
            await log.append(topic, [Record(value, b"letter")])
            found = [entry.value async for entry in log.scan(topic)]
            assert len(found) == 1
            assert found[0] == value
        reader = await log.reader(place.consumed.name, "group")
        assert (await read_all(reader, 1))[0].value == value
    finally:
        await log.close()


@pytest.mark.parametrize("message_bytes", [1024 * 1024, 48 * 1024 * 1024])
async def test_the_largest_body_that_the_settings_allow_becomes_a_letter(place: KafkaPlace, message_bytes: int) -> None:
    place.settings = small(message_bytes=message_bytes, compression="none", append_timeout=60, request_timeout=30)
    body = random.Random(1).randbytes(largest_body(message_bytes))
    headers = {name.encode(): b"\x01" * 300 for name in (FLOW, IDENTIFIER, RETRY)}
    log = await place.open()
    try:
        intake = WebhookHandler(log, Topics(place.consumed, place.consumed, place.letters), append_timeout=60)
        assert (await intake.handle("s" * 63, body, headers)).outcome == "dead_letter"
        [letter] = [decode_dead_letter(entry.value) async for entry in log.scan(place.letters.name)]
        assert letter.payload == body
    finally:
        await log.close()


async def test_the_largest_record_that_is_sent_is_taken(place: KafkaPlace) -> None:
    place.settings = small(message_bytes=1024 * 1024, compression="none")
    value = random.Random(1).randbytes(1024 * 1024 - OVERHEAD - len(b"key"))
    log = await place.open()
    try:
        await log.append(place.consumed.name, [Record(value, b"key")])
        assert [entry.value async for entry in log.scan(place.consumed.name)] == [value]
        with pytest.raises(LogUnavailableError, match=r"kafka\.message_bytes"):
            await log.append(place.consumed.name, [Record(value + b"x", b"key")])
    finally:
        await log.close()


async def test_a_record_above_the_limit_takes_no_other_with_it(place: KafkaPlace) -> None:
    place.settings = small(message_bytes=1024 * 1024)
    log = await place.open()
    try:
        with pytest.raises(LogUnavailableError, match=r"kafka\.message_bytes"):
            await log.append(place.consumed.name, [Record(b"small"), Record(b"x" * 1024 * 1024)])
        assert await scanned(log, place.consumed.name) == []
        await log.append(place.consumed.name, [Record(b"small")])
        assert await scanned(log, place.consumed.name) == ["small"]
    finally:
        await log.close()


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_each_compression(place: KafkaPlace, compression: str) -> None:
    place.settings = small(compression=compression)
    log = await place.open()
    try:
        await log.append(place.consumed.name, [Record(b"again and " * 1000)])
        assert await scanned(log, place.consumed.name) == ["again and " * 1000]
    finally:
        await log.close()
