"""Answers as Jira gives them: JSON, and errors in Jira's own form."""

from typing import Any

import msgspec
from starlette.responses import Response


class JiraError(Exception):
    """An answer other than the one asked for.

    Attributes:
        status: HTTP status.
        messages: Jira's ``errorMessages``.
        headers: Further headers.
    """

    def __init__(self, status: int, *messages: str, headers: dict[str, str] | None = None) -> None:
        """Make an error with these messages."""
        super().__init__(status, *messages)
        self.status = status
        self.messages = messages
        self.headers = headers or {}

    def response(self) -> Response:
        """Return the answer."""
        body = {"errorMessages": list(self.messages), "errors": {}}
        return answer(body, self.status, self.headers)


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON answer; None gives an empty one."""
    content = b"" if value is None else msgspec.json.encode(value)
    return Response(content, status, headers, media_type="application/json;charset=UTF-8")


def missing(what: str = "Issue does not exist or you do not have permission to see it.") -> JiraError:
    """Return Jira's 404, which also hides what the caller may not see."""
    return JiraError(404, what)
