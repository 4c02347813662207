"""Responses as Jira gives them: JSON, and errors in Jira's own form."""

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
        return json_response(body, self.status, self.headers)


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON answer; None gives an empty one."""
    content = b"" if value is None else msgspec.json.encode(value)
    return Response(content, status, headers, media_type="application/json;charset=UTF-8")


def not_found(what: str = "Issue does not exist or you do not have permission to see it.") -> JiraError:
    """Return Jira's 404, which also hides what the caller may not see."""
    return JiraError(404, what)


def unauthorized() -> JiraError:
    """Return Jira's 401."""
    headers = {
        "WWW-Authenticate": 'OAuth realm="https%3A%2F%2Facme.atlassian.net"',
        "X-Seraph-LoginReason": "AUTHENTICATED_FAILED",
    }
    return JiraError(401, "Client must be authenticated to access this resource.", headers=headers)


def forbidden(permission: str) -> JiraError:
    """Return Jira's 403 for a missing permission."""
    return JiraError(403, f"You do not have the permission {permission} that this operation needs.")
