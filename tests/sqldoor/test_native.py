"""Native blocks in the newer frame that clickhouse-go asks for, as Grafana's own plugin does."""

import pytest

from console.sqldoor.native_format import read_type

from .house import Door, House

INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
LAST = b"\x01z\x05UInt8"
EXPRESSIONS = [
    "number",
    "toInt256(number)",
    "toString(number)",
    "repeat('x', number * 300)",
    "toFixedString('abc', 3)",
    "toDate('2026-01-01') + number",
    "toDateTime64('2026-01-01 00:00:00', 3, 'Europe/Berlin')",
    "toDecimal128(number, 5)",
    "generateUUIDv4() = generateUUIDv4()",
    "toUUID('00000000-0000-0000-0000-000000000001')",
    "CAST('b),', 'Enum8(\\'a\\' = 1, \\'b),\\' = 2)')",
    "if(number = 1, NULL, number)",
    "if(number = 1, NULL, toString(number))",
    "toLowCardinality(toString(number))",
    "toLowCardinality(toNullable(toString(number)))",
    "range(number)",
    "arrayMap(x -> toString(x), range(number))",
    "arrayMap(x -> toLowCardinality(toString(x)), range(number))",
    "emptyArrayString()",
    "[[number], [], [number, 1]]",
    "map('k', toLowCardinality('v'), 'l', '')",
    "tuple(number, toLowCardinality('t'), [toNullable('x')])",
    "CAST((number, 'x'), 'Tuple(`a b` UInt64, c String)')",
    "toIntervalDay(number)",
    "toIPv4('127.0.0.1')",
    "NULL",
    "tuple()",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_marks_stand_where_they_belong(door: Door, expression: str) -> None:
    sql = f"SELECT {expression} AS c, 42::UInt8 AS z FROM numbers(3) FORMAT Native"
    plain = door.ask(sql).content
    head, kind_at = plain[:4], 5
    kind_end = kind_at + plain[4]
    assert head == b"\x02\x03\x01c"
    assert plain.endswith(LAST + b"***")
    first, last = plain[kind_end : -len(LAST) - 3], plain[-3:]
    for revision, mark in ((54406, b""), (54460, b"\x00")):
        asked = door.ask(sql, client_protocol_version=str(revision), enable_http_compression="1")
        assert asked.content == INFO + plain[:kind_end] + mark + first + LAST + mark + last


def test_every_block_is_framed(door: Door) -> None:
    sql = "SELECT number, toString(number) FROM numbers(200000) FORMAT Native"
    plain, framed = door.ask(sql).content, door.ask(sql, client_protocol_version="54460").content
    blocks = framed.count(INFO)
    assert blocks > 1
    assert len(framed) == len(plain) + blocks * (len(INFO) + 2)


def test_other_formats_and_empty_answers_need_no_frame(door: Door) -> None:
    assert door.text("SELECT 1 FORMAT CSV", client_protocol_version="54460") == "1\n"
    assert door.text("SELECT 1 WHERE 0 FORMAT Native", client_protocol_version="54460") == ""


def test_a_type_that_cannot_be_framed_is_told(door: Door) -> None:
    sql = "SELECT sumState(number) FROM numbers(3) FORMAT Native"
    assert door.code(sql, client_protocol_version="54460") == 48
    assert door.ask(sql).status_code == 200


def test_a_query_that_fails_is_told(door: Door) -> None:
    assert door.code("SELECT intDiv(1, number) FROM numbers(3) FORMAT Native", client_protocol_version="54460") == 153


def test_the_handshake_of_clickhouse_go_is_answered(house: House, door: Door) -> None:
    sql = "SELECT displayName(), version(), revision(), timezone()"
    answer = door.ask(sql, client_protocol_version="54460", default_format="Native", max_execution_time="35")
    assert answer.content.startswith(INFO + b"\x04\x01\x0ddisplayName()\x06String\x00\x08rollcall")


def test_types_are_taken_apart() -> None:
    kind = read_type(
        "Map(LowCardinality(String), Tuple(a Array(Nullable(DateTime64(3, 'UTC'))), `b (` Enum8('x,)' = 1)))"
    )
    assert kind.name == "Map"
    assert kind.inner(0).inner() == read_type("String")
    assert kind.inner(1).inner(0).inner().inner().width() == 8
    assert kind.inner(1).inner(1).arguments == ("'x,)' = 1",)
    assert [read_type(f"Decimal({p}, 1)").width() for p in (9, 10, 38, 76)] == [4, 8, 16, 32]
    assert read_type("AggregateFunction(sum, UInt8)").width() is None
