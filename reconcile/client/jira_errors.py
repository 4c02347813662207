"""What can go wrong with a request to Jira, by what to do about it: Jira's own message, and the remedy."""

import msgspec

from reconcile.client.endpoints import Endpoint
from rollcall.errors import RollcallError


class JiraError(RollcallError):
    """Jira did not give what was requested; the text says what to do."""


class JiraRefusedError(JiraError):
    """Jira understood and refused, or answered with something else; asking again gives the same.

    Attributes:
        status: HTTP status of the answer; 0 when the answer itself was unusable.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class NotThereError(JiraRefusedError):
    """What was requested is not there (any more), or may not be seen: 404 says both (OpenAPI file)."""


class JiraUnavailableError(JiraError):
    """Jira could not be reached or answered "later" too often; the run can go on later with ``--resume``."""


class PagingError(JiraError):
    """A list of pages does not end: Jira gave the same page again, or far too many."""


_LONGEST = 300

_REMEDIES = {
    400: "Rollcall asked in a way that this Jira does not take; please report it",
    401: "check email and api_token: expired or revoked tokens look like this, and so do tokens with scopes used at "
    "the site's own URL (set scoped_token = true)",
    403: "the account lacks a permission (Browse users and groups, Administer Jira), or the token a scope; "
    "`rollcall check` says which",
    404: "not there, or not visible to the account",
    410: "Atlassian has removed this endpoint; a newer Rollcall is needed",
}


class _Body(msgspec.Struct, rename="camel"):
    error_messages: list[str] | None = None
    errors: dict[str, msgspec.Raw] | None = None
    message: str | None = None


def refusal(endpoint: Endpoint, status: int, body: bytes, secret: str) -> JiraRefusedError:
    """Return the error for an answer that asking again would not change.

    Args:
        endpoint: What was requested.
        status: HTTP status.
        body: The answer; its ``errorMessages`` are quoted, shortened.
        secret: Never quoted, whatever Jira says.
    """
    if 300 <= status < 400:
        return JiraRefusedError(
            f"{endpoint.name}: Jira answers {status}, a redirect, which is never followed; check the site's url", status
        )
    words = jira_message(body)
    quoted = f": {words.replace(secret, '…') if secret else words}" if words else ""
    remedy = f"; {_REMEDIES[status]}" if status in _REMEDIES else ""
    error = NotThereError if status == 404 else JiraRefusedError
    return error(f"{endpoint.name}: Jira answers {status}{quoted}{remedy}", status)


def jira_message(body: bytes) -> str:
    """Return Jira's own message from an error's body, in one short line; empty when there is none."""
    try:
        found = msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    texts = [*(found.error_messages or ()), *(found.errors or {}), found.message or ""]
    line = " ".join(" ".join(text.split()) for text in texts if text)
    shown = "".join(char if char.isprintable() else "�" for char in line)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
