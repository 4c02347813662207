"""What a request asks for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.datastructures import Headers

from console.sqldoor import formats
from console.sqldoor.encodings import chosen_encoding
from console.sqldoor.form import read_form
from console.sqldoor.limits import DoorLimits
from console.sqldoor.refusal import NOT_IMPLEMENTED, QUERY_IS_TOO_LARGE, UNKNOWN_DATABASE, refused
from console.sqldoor.tables import DATABASE
from console.sqldoor.url_settings import read_settings

_OWN = frozenset({"query", "database", "default_format", "user", "password"})
_QUERY_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)

_OLD_REVISIONS = 54405
"""Up to this client_protocol_version clients look whether Native blocks come in a newer frame, and read both."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A query with all that belongs to it.

    Attributes:
        query: Its text; empty when there is none.
        parameters: Values of its ``{name:Type}`` placeholders, as the client wrote them.
        settings: Settings to run it under, besides the door's own.
        default_format: The format when the query names none.
        encoding: Content-Encoding of the answer, empty for none.
        query_id: The client's name for it, empty when there is none that can stand in a header.
        native_revision: The frame in which the client wants Native blocks, 0 for the engine's own.
    """

    query: str
    parameters: Mapping[str, str]
    settings: Mapping[str, str | float]
    default_format: str
    encoding: str
    query_id: str
    native_revision: int


def url_parameters(query_string: bytes) -> dict[str, str]:
    """Return the URL's parameters; of one given twice the last counts."""
    text = query_string.decode("latin-1")
    return dict(parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="surrogateescape"))


def read_asked(url: Mapping[str, str], headers: Headers, body: bytes, limits: DoorLimits) -> Asked:
    """Read a request.

    Args:
        url: The URL's parameters.
        headers: The request's headers.
        body: Its body: the query, the rest of the query in the URL, or a multipart form with parameters.
        limits: The door's.

    Raises:
        DoorError: It asks for something that the door does not do.
    """
    if headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise refused(NOT_IMPLEMENTED, "Compressed requests are not taken here")
    given = dict(url)
    content_type = headers.get("content-type", "")
    if content_type.lower().startswith("multipart/form-data"):
        given |= read_form(content_type, body)
        text = given.get("query", "")
    else:
        text = "\n".join(part for part in (given.get("query", ""), body.decode("utf-8", "surrogateescape")) if part)
    if len(text) > limits.query_bytes:
        raise refused(QUERY_IS_TOO_LARGE, f"The query is longer than {limits.query_bytes} bytes")
    database = given.get("database") or headers.get("x-clickhouse-database") or DATABASE
    if database != DATABASE:
        raise refused(UNKNOWN_DATABASE, f"Database {database[:100]} is not here; the warehouse is {DATABASE}")
    parameters = {name.removeprefix("param_"): value for name, value in given.items() if name.startswith("param_")}
    settings = {name: value for name, value in given.items() if name not in _OWN and not name.startswith("param_")}
    revision = _number(given.get("client_protocol_version", ""))
    if revision <= _OLD_REVISIONS:
        revision = 0
    query_id = given.get("query_id") or headers.get("x-clickhouse-query-id", "")
    return Asked(
        query=text,
        parameters=parameters,
        settings=read_settings(settings, limits),
        default_format=formats.known_format(
            given.get("default_format") or headers.get("x-clickhouse-format") or formats.DEFAULT
        ),
        # Blocks that the engine has compressed could not be given another frame.
        encoding="" if revision else chosen_encoding(given, headers.get("accept-encoding", "")),
        query_id=query_id if _QUERY_ID.fullmatch(query_id) else "",
        native_revision=revision,
    )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and text.isascii() else 0
