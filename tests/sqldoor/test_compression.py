"""Answers in ClickHouse's own compressed blocks, and compressed requests."""

import gzip
import zlib
from collections.abc import Callable

import httpx
import pytest
from lz4 import frame

from console.sqldoor.compression import BLOCK, bytes_of_blocks, compressed_blocks, opened_body
from console.sqldoor.exceptions import DoorError
from console.sqldoor.profile import BODY_BYTES

from .house import Door

ONE = bytes.fromhex("de79cf087fb635049db816df195b016b820c0000000200000020310a")
"""The answer of `SELECT 1` as ClickHouse's JDBC driver reads it, and checks its checksum."""


def test_an_answer_comes_in_blocks(door: Door) -> None:
    answer = door.ask("SELECT 1", compress="1")
    assert answer.content == ONE
    assert answer.headers["Content-Length"] == str(len(ONE))
    assert "Content-Encoding" not in answer.headers


def test_blocks_win_over_what_http_calls_compression(door: Door) -> None:
    answer = door.ask("SELECT 1", compress="1", enable_http_compression="1", network_compression_method="ZSTD")
    assert answer.content == ONE


def test_a_long_answer_is_whole(door: Door) -> None:
    sql = "SELECT number FROM numbers(1000000)"
    blocks = door.ask(sql, compress="1").content
    plain = door.ask(sql).content
    assert len(blocks) < len(plain)
    assert bytes_of_blocks(blocks, 1 << 30) == plain


def test_native_blocks_in_the_newer_frame_are_compressed_too(door: Door) -> None:
    sql = "SELECT number, toString(number) FROM numbers(100000) FORMAT Native"
    newer = {"client_protocol_version": "54460"}
    blocks = door.ask(sql, compress="1", **newer).content
    assert bytes_of_blocks(blocks, 1 << 30) == door.ask(sql, **newer).content


def test_an_answer_without_rows_is_empty(door: Door) -> None:
    assert door.ask("SELECT 1 WHERE 0", compress="1").content == b""


def test_an_error_is_plain_text(door: Door) -> None:
    answer = door.ask("SELECT * FROM nowhere", compress="1")
    assert answer.text.startswith("Code: 60. DB::Exception: ")


def test_an_error_within_an_answer_is_the_last_block(door: Door) -> None:
    sql = "SELECT intDiv(1, 3000000 - number) FROM numbers(10000000)"
    taken: list[bytes] = []
    with (
        httpx.stream("POST", door.url, params={"compress": "1"}, content=sql, timeout=60) as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        list(map(taken.append, answer.iter_raw()))
    text = bytes_of_blocks(b"".join(taken), 1 << 30)
    assert b"__exception__\r\n" in text
    assert b"Code: 153. DB::Exception: " in text


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("lz4", frame.compress),
        ("identity", bytes),
    ],
)
def test_a_request_may_be_compressed(door: Door, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    answer = httpx.post(door.url, content=pack(b"SELECT 'packed'"), headers={"Content-Encoding": encoding})
    assert answer.text == "packed\n"


def test_a_request_may_come_in_blocks(door: Door) -> None:
    assert door.text("", query="SELECT 3") == "3\n"
    assert door.ask(compressed_blocks(b"SELECT 'packed'"), decompress="1").text == "packed\n"


def test_a_request_in_blocks_may_be_long() -> None:
    data = bytes(range(256)) * (3 * BLOCK // 256) + b"end"
    assert bytes_of_blocks(compressed_blocks(data), BODY_BYTES) == data
    assert bytes_of_blocks(b"", BODY_BYTES) == compressed_blocks(b"") == b""


def test_a_block_may_be_stored_as_it_is() -> None:
    import struct

    from clickhouse_cityhash.cityhash import CityHash128

    block = struct.pack("<BII", 0x02, 9 + 5, 5) + b"plain"
    checksum = CityHash128(block)
    head = struct.pack("<QQ", checksum >> 64, checksum & ((1 << 64) - 1))
    assert bytes_of_blocks(head + block, 5) == b"plain"


@pytest.mark.parametrize(
    ("blocks", "code"),
    [
        (b"SELECT 1", 271),
        (ONE[:-1], 271),
        (ONE + b"\0", 271),
        (ONE[:-1] + b"\0", 40),
        (b"\0" + ONE[1:], 40),
        (compressed_blocks(bytes(BODY_BYTES + 1)), 271),
    ],
    ids=["no block", "cut", "more", "garbled", "other checksum", "too large"],
)
def test_blocks_that_are_none_are_refused(door: Door, blocks: bytes, code: int) -> None:
    assert door.code(blocks, decompress="1") == code


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "lz4"])
def test_a_body_that_is_not_what_its_header_says_is_refused(encoding: str) -> None:
    for body in (b"", b"SELECT 1", b"\x1f\x8b\x08", b"\x04\x22\x4d\x18"):
        with pytest.raises(DoorError) as caught:
            opened_body(body, encoding, BODY_BYTES)
        assert caught.value.code == 271


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("lz4", frame.compress)])
def test_a_body_that_unfolds_to_too_much_is_refused(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    assert len(opened_body(pack(bytes(BODY_BYTES)), encoding, BODY_BYTES)) == BODY_BYTES
    with pytest.raises(DoorError) as caught:
        opened_body(pack(bytes(BODY_BYTES + 1)), encoding, BODY_BYTES)
    assert caught.value.code == 271


def test_other_encodings_are_refused(door: Door) -> None:
    answer = httpx.post(door.url, content=b"SELECT 1", headers={"Content-Encoding": "br"})
    assert answer.status_code == 501
    assert answer.headers["X-ClickHouse-Exception-Code"] == "48"
