"""Exceptions as ClickHouse's HTTP interface reports them: a code, a name, a text and an HTTP status."""

import re
from http import HTTPStatus

BAD_ARGUMENTS = (36, "BAD_ARGUMENTS")
CHECKSUM_DOESNT_MATCH = (40, "CHECKSUM_DOESNT_MATCH")
NOT_IMPLEMENTED = (48, "NOT_IMPLEMENTED")
UNKNOWN_FUNCTION = (46, "UNKNOWN_FUNCTION")
UNKNOWN_TABLE = (60, "UNKNOWN_TABLE")
SYNTAX_ERROR = (62, "SYNTAX_ERROR")
UNKNOWN_FORMAT = (73, "UNKNOWN_FORMAT")
UNKNOWN_DATABASE = (81, "UNKNOWN_DATABASE")
CANNOT_DECOMPRESS = (271, "CANNOT_DECOMPRESS")
TIMEOUT_EXCEEDED = (159, "TIMEOUT_EXCEEDED")
READONLY = (164, "READONLY")
TOO_MANY_SIMULTANEOUS_QUERIES = (202, "TOO_MANY_SIMULTANEOUS_QUERIES")
SOCKET_TIMEOUT = (209, "SOCKET_TIMEOUT")
QUERY_IS_TOO_LARGE = (223, "QUERY_IS_TOO_LARGE")
TOO_DEEP_RECURSION = (306, "TOO_DEEP_RECURSION")
QUERY_WAS_CANCELLED = (394, "QUERY_WAS_CANCELLED")
SETTING_CONSTRAINT_VIOLATION = (452, "SETTING_CONSTRAINT_VIOLATION")
UNKNOWN_QUERY_PARAMETER = (456, "UNKNOWN_QUERY_PARAMETER")
ACCESS_DENIED = (497, "ACCESS_DENIED")
AUTHENTICATION_FAILED = (516, "AUTHENTICATION_FAILED")
UNKNOWN_EXCEPTION = (1002, "UNKNOWN_EXCEPTION")

# As in ClickHouse's exceptionCodeToHTTPStatus; what is not named there is 500, but for 202 (too many simultaneous
# queries): with 503 clients know that it is worth another try.
_STATUS: dict[HTTPStatus, frozenset[int]] = {
    HTTPStatus.UNAUTHORIZED: frozenset({194, 516}),
    HTTPStatus.BAD_REQUEST: frozenset(
        {6, 25, 26, 27, 36, 38, 41, 53, 62, 69, 72, 117, 131, 167, 168, 396, 427, 456, 457}
    ),
    HTTPStatus.NOT_FOUND: frozenset({46, 47, 50, 56, 60, 63, 73, 81, 115}),
    HTTPStatus.REQUEST_TIMEOUT: frozenset({159}),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: frozenset({223}),
    HTTPStatus.NOT_IMPLEMENTED: frozenset({48}),
    HTTPStatus.SERVICE_UNAVAILABLE: frozenset({202, 209}),
}
_CODE = re.compile(r"Code: (\d+)\. ")
_TAKEN_FOR_A_FILE = "the grant READ ON FILE"
"""The engine takes a name that is no table for a file's, and denies it whether there is one or not."""

_INNER_QUERY = re.compile(r": In scope (?:WITH|SELECT) .*(?= \([A-Z_]+\)\s*$)", re.DOTALL)


class DoorError(Exception):
    """A query is refused or failed.

    Attributes:
        code: ClickHouse's error code.
        body: The text for the client. It may repeat parts of the query, so it is never logged.
    """

    def __init__(self, code: int, body: str) -> None:
        super().__init__(f"ClickHouse error {code}")
        self.code = code
        self.body = body

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status that ClickHouse answers this code with."""
        return next(
            (status for status, codes in _STATUS.items() if self.code in codes), HTTPStatus.INTERNAL_SERVER_ERROR
        )


def door_error(kind: tuple[int, str], text: str) -> DoorError:
    """Return the door's own error, in the engine's form."""
    code, name = kind
    return DoorError(code, f"Code: {code}. DB::Exception: {text}. ({name})")


def engine_error(text: str, *, parsing: bool = False) -> DoorError:
    """Return the engine's error for the client.

    Args:
        text: What the engine said.
        parsing: It came from reading the query, so the text ends with the door's own query to the engine.
    """
    found = _CODE.search(text)
    if not found:
        return door_error(UNKNOWN_EXCEPTION, "the engine failed")
    body = text[found.start() :].strip()
    if int(found[1]) == ACCESS_DENIED[0] and _TAKEN_FOR_A_FILE in body:
        return door_error(UNKNOWN_TABLE, "Unknown table expression identifier: there is no such table or view here")
    return DoorError(int(found[1]), _INNER_QUERY.sub(".", body) if parsing else body)
