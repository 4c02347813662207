"""The audit line of a query: who asked, from where, what kind of statement, what became of it; never its text."""

import re
from collections.abc import Mapping
from concurrent.futures import Future

from starlette.datastructures import Headers

from console.sqldoor import exceptions
from console.sqldoor.engine import QueryStatistics
from console.sqldoor.exceptions import DoorError
from rollcall.http.guard import basic_credentials
from rollcall.logs import RationedLog, logger, printable

log = logger(__name__)

_LONGEST_NAME = 64
_COMMENTS = re.compile(r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/|\()*", re.DOTALL)
_KINDS = frozenset({"DESC", "DESCRIBE", "EXISTS", "EXPLAIN", "KILL", "SELECT", "SHOW", "WITH"})
_OTHER_KINDS = frozenset(
    {"ALTER", "BACKUP", "CREATE", "DELETE", "DROP", "GRANT", "INSERT", "SET", "SYSTEM", "TRUNCATE"}
)
"""Those are refused."""

_REFUSED = frozenset(
    code
    for code, _ in (
        exceptions.ACCESS_DENIED,
        exceptions.AUTHENTICATION_FAILED,
        exceptions.BAD_ARGUMENTS,
        exceptions.NOT_IMPLEMENTED,
        exceptions.QUERY_IS_TOO_LARGE,
        exceptions.READONLY,
        exceptions.SETTING_CONSTRAINT_VIOLATION,
        exceptions.SYNTAX_ERROR,
        exceptions.TOO_DEEP_RECURSION,
        exceptions.TOO_MANY_SIMULTANEOUS_QUERIES,
        exceptions.UNKNOWN_DATABASE,
        exceptions.UNKNOWN_FORMAT,
        exceptions.UNKNOWN_FUNCTION,
        exceptions.UNKNOWN_QUERY_PARAMETER,
        exceptions.UNKNOWN_TABLE,
    )
)


class Audit:
    """What is written of one query, once, when its answer has ended.

    Args:
        headers: The request's headers.
        url: Its URL's parameters.
        client: Address and port of its connection.

    Attributes:
        kind: The kind of its statement.
        rows: Rows of its answer; None while the query has not ended well.
    """

    def __init__(self, headers: Headers, url: Mapping[str, str], client: tuple[str, int] | None) -> None:
        # The name that the client gave, which nobody has verified: any goes with the token.
        user = headers.get("x-clickhouse-user") or url.get("user") or _basic_user(headers)
        self._user = printable(user[:_LONGEST_NAME])
        self._address = client[0] if client else ""
        self._outcome, self._code = "ok", 0
        self.kind = "other"
        self.rows: int | None = None

    def ran(self, outcome: "Future[QueryStatistics]") -> None:
        """Take the rows of a query that has ended; one that goes on after its client has left has none yet."""
        if outcome.done() and outcome.exception() is None:
            self.rows = outcome.result().result_rows

    def failed(self, error: DoorError) -> None:
        """Take the error that it is answered with."""
        self._code = error.code
        self._outcome = "refused" if error.code in _REFUSED else "failed"
        if error.code == exceptions.TIMEOUT_EXCEEDED[0]:
            self._outcome = "overdue"
        elif error.code == exceptions.QUERY_WAS_CANCELLED[0]:
            self._outcome = "cancelled"

    def cancelled(self) -> None:
        """Take that its client has left, or takes nothing of the answer any more."""
        self._outcome = "cancelled"

    def refused(self) -> None:
        """Take that it was refused before anything could look at it as a query."""
        self._outcome = "refused"

    def write(self, rationed: RationedLog | None = None) -> None:
        """Write the line.

        Args:
            rationed: Where lines go that anybody can cause, who knows no token.
        """
        whose = {"user": self._user, "client": self._address, "kind": self.kind, "rows": self.rows}
        what_became_of_it = {"outcome": self._outcome, "code": self._code}
        if rationed:
            rationed.info("query", what_became_of_it, **whose)
        else:
            log.info("query", **whose, **what_became_of_it)


def refusals() -> RationedLog:
    """Return where the lines of queries go that were refused to who may not query at all."""
    return RationedLog(log)


def _basic_user(headers: Headers) -> str:
    return basic_credentials(headers.get("authorization", ""))[0].decode(errors="replace")


def kind_of(query: str) -> str:
    """Return the kind of a statement: its first word where that is one of a few, else ``other``."""
    start = _COMMENTS.match(query)
    word = re.match(r"[A-Za-z]+", query[start.end() if start else 0 :])
    kind = word[0].upper() if word else ""
    return kind if kind in _KINDS | _OTHER_KINDS else "other"
