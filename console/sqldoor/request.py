"""A request for a query: its body within bounds, its parameters, settings, format and encoding.

Queries also come as multipart forms, as clickhouse-connect sends them when there are many parameters.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import Receive

from console.sqldoor import statement
from console.sqldoor.allowlist import DATABASE
from console.sqldoor.compression import bytes_of_blocks, opened_body
from console.sqldoor.exceptions import (
    BAD_ARGUMENTS,
    NOT_IMPLEMENTED,
    QUERY_IS_TOO_LARGE,
    SOCKET_TIMEOUT,
    UNKNOWN_DATABASE,
    door_error,
)
from console.sqldoor.profile import BODY_BYTES, BODY_SECONDS, TABLE_FILTERS, DoorLimits, SettingValue, read_settings

_OFFERED = ("zstd", "lz4", "gzip", "deflate")
"""Content-Encodings in the order in which we like them; the engine calls them by the same names."""


def chosen_encoding(parameters: Mapping[str, str], accepted: str) -> str:
    """Return the Content-Encoding of the answer, empty for none.

    As in ClickHouse, a client must turn it on by ``enable_http_compression=1`` besides naming what it accepts.

    Args:
        parameters: The URL's parameters.
        accepted: The Accept-Encoding header.
    """
    if not _on(parameters, "enable_http_compression"):
        return ""
    codings = set()
    for part in accepted.split(","):
        name, _, weight = part.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            codings.add(name.strip().lower())
    return next((name for name in _OFFERED if name in codings), "")


def read_form(content_type: str, body: bytes) -> dict[str, str]:
    """Return a multipart form's fields.

    Raises:
        DoorError: It is no such form, or it brings files: tables sent along are not taken.
    """
    message = BytesParser().parsebytes(b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n" + body)
    fields = {}
    for part in message.walk():
        if part is message:
            continue
        name = part.get_param("name", header="content-disposition")
        if not isinstance(name, str):
            raise door_error(BAD_ARGUMENTS, "The form cannot be read")
        if part.get_filename() is not None:
            raise door_error(NOT_IMPLEMENTED, "External tables are not taken here")
        fields[name] = _text(part)
    if not fields:
        raise door_error(BAD_ARGUMENTS, "The form cannot be read")
    return fields


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        raise door_error(BAD_ARGUMENTS, "The form cannot be read")
    return payload.decode("utf-8", "surrogateescape")


async def read_body(receive: Receive) -> bytes:
    """Return the whole body.

    Raises:
        DoorError: It is too large, comes too slowly, or breaks off.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise door_error(SOCKET_TIMEOUT, "The request broke off")
                body += message.get("body", b"")
                if len(body) > BODY_BYTES:
                    raise door_error(QUERY_IS_TOO_LARGE, f"The request is larger than {BODY_BYTES} bytes")
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise door_error(SOCKET_TIMEOUT, "The request did not arrive in time") from None


_OWN = frozenset({"query", "database", "default_format", "user", "password", "compress", "decompress"})
_OFF = frozenset({"", "0", "false"})
_QUERY_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
_KILL = re.compile(
    r"\s*KILL\s+QUERY\s+WHERE\s+query_id\s*=\s*'(?P<id>[\w.:-]{1,128})'(?:\s+A?SYNC)?(?:\s+FORMAT\s+\w+)?[\s;]*",
    re.ASCII | re.IGNORECASE,
)

_OLD_REVISIONS = 54405
"""Up to this client_protocol_version clients look whether Native blocks come in a newer frame, and read both."""


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """A query with all that belongs to it.

    Attributes:
        query: Its text; empty when there is none.
        parameters: Values of its ``{name:Type}`` placeholders, as the client wrote them.
        settings: Settings to run it under, besides the door's own.
        table_filters: The setting ``additional_table_filters`` as it came: SQL in texts, still to be checked.
        default_format: The format when the query names none.
        encoding: Content-Encoding of the answer, empty for none.
        blocks: Whether the answer goes out in ClickHouse's own compressed blocks.
        query_id: The client's name for it, empty when there is none that can stand in a header.
        native_revision: The frame in which the client wants Native blocks, 0 for the engine's own.
        kills: The name of the query that it wants stopped, empty when it is a query itself.
    """

    query: str
    parameters: Mapping[str, str]
    settings: Mapping[str, SettingValue]
    table_filters: str
    default_format: str
    encoding: str
    blocks: bool
    query_id: str
    native_revision: int
    kills: str


def url_parameters(query_string: bytes) -> dict[str, str]:
    """Return the URL's parameters; of one given twice the last counts."""
    text = query_string.decode("latin-1")
    return dict(parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="surrogateescape"))


def read_request(url: Mapping[str, str], headers: Headers, body: bytes, limits: DoorLimits) -> QueryRequest:
    """Read a request.

    Args:
        url: The URL's parameters.
        headers: The request's headers.
        body: Its body: the query, the rest of the query in the URL, or a multipart form with parameters.
        limits: The door's.

    Raises:
        DoorError: It asks for something that the door does not do.
    """
    given = dict(url)
    if encoding := headers.get("content-encoding"):
        body = opened_body(body, encoding.lower(), BODY_BYTES)
    if _on(given, "decompress"):
        body = bytes_of_blocks(body, BODY_BYTES)
    content_type = headers.get("content-type", "")
    if content_type.lower().startswith("multipart/form-data"):
        given |= read_form(content_type, body)
        text = given.get("query", "")
    else:
        text = "\n".join(part for part in (given.get("query", ""), body.decode("utf-8", "surrogateescape")) if part)
    if len(text) > limits.query_bytes:
        raise door_error(QUERY_IS_TOO_LARGE, f"The query is longer than {limits.query_bytes} bytes")
    database = given.get("database") or headers.get("x-clickhouse-database") or DATABASE
    if database != DATABASE:
        raise door_error(UNKNOWN_DATABASE, f"Database {database[:100]} is not here; the warehouse is {DATABASE}")
    parameters = {name.removeprefix("param_"): value for name, value in given.items() if name.startswith("param_")}
    settings = {name: value for name, value in given.items() if name not in _OWN and not name.startswith("param_")}
    table_filters = settings.pop(TABLE_FILTERS, "")
    revision = _number(given.get("client_protocol_version", ""))
    if revision <= _OLD_REVISIONS:
        revision = 0
    blocks = _on(given, "compress")
    query_id = given.get("query_id") or headers.get("x-clickhouse-query-id", "")
    return QueryRequest(
        query=text,
        parameters=parameters,
        settings=read_settings(settings, limits),
        table_filters=table_filters,
        default_format=statement.known_format(
            given.get("default_format") or headers.get("x-clickhouse-format") or statement.DEFAULT_FORMAT
        ),
        # Blocks that the engine has compressed could not be given another frame. What is compressed already gets
        # smaller no more.
        encoding="" if revision or blocks else chosen_encoding(given, headers.get("accept-encoding", "")),
        blocks=blocks,
        query_id=query_id if _QUERY_ID.fullmatch(query_id) else "",
        native_revision=revision,
        kills=kill["id"] if (kill := _KILL.fullmatch(text)) else "",
    )


def _on(parameters: Mapping[str, str], name: str) -> bool:
    return parameters.get(name, "").lower() not in _OFF


def _number(text: str) -> int:
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else 0
