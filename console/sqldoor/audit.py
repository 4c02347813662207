"""The audit line of a query: who asked, from where, what kind of statement, and how many rows; never its text."""

import re
from collections.abc import Mapping
from concurrent.futures import Future
from typing import NamedTuple

from starlette.datastructures import Headers

from console.sqldoor.engine import QueryStatistics
from rollcall.http.guard import basic_credentials
from rollcall.logs import logger, printable

log = logger(__name__)

_LONGEST_NAME = 64
_COMMENTS = re.compile(r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/|\()*", re.DOTALL)
_KINDS = frozenset({"DESC", "DESCRIBE", "EXISTS", "EXPLAIN", "SELECT", "SHOW", "WITH"})


class Reader(NamedTuple):
    """Who asks.

    Attributes:
        user: The name that the client gave, which nobody has verified: any goes with the token.
        address: Where it comes from.
    """

    user: str
    address: str


def reader_of(headers: Headers, url: Mapping[str, str], client: tuple[str, int] | None) -> Reader:
    """Return who sent a request, by its headers, its URL's parameters and its connection."""
    user = headers.get("x-clickhouse-user") or url.get("user") or _basic_user(headers)
    return Reader(printable(user[:_LONGEST_NAME]), client[0] if client else "")


def _basic_user(headers: Headers) -> str:
    return basic_credentials(headers.get("authorization", ""))[0].decode(errors="replace")


def write_audit_line(reader: Reader, query: str, outcome: "Future[QueryStatistics]") -> None:
    """Log a query that ran; one that goes on after its client has left has no rows yet."""
    ended = outcome.done() and outcome.exception() is None
    rows = outcome.result().result_rows if ended else None
    log.info("query", user=reader.user, client=reader.address, kind=kind_of(query), rows=rows, ended=ended)


def kind_of(query: str) -> str:
    """Return the kind of a statement: its first word where that is one that the door knows, else ``other``."""
    start = _COMMENTS.match(query)
    word = re.match(r"[A-Za-z]+", query[start.end() if start else 0 :])
    kind = word[0].upper() if word else ""
    return kind if kind in _KINDS else "other"
