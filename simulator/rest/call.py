"""A call of the API as the endpoints see it, and who makes it.

Basic auth with e-mail and API token, on the site's URL or behind the gateway; there a scoped token as Bearer, too.
"""

import base64
import binascii
from typing import Any

import msgspec
from starlette.datastructures import Headers, QueryParams

from simulator.rest.response import JiraError
from simulator.rest.site import EMAIL, SCOPED_TOKEN, Site


def signed_in(site: Site, headers: Headers, *, gateway: bool) -> bool:
    """Return whether the request carries the caller's credentials.

    Jira Cloud: scoped tokens work at the gateway only; with wrong credentials some endpoints answer as to an
    anonymous caller.
    """
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return gateway and given == SCOPED_TOKEN
    if scheme.lower() != "basic":
        return False
    try:
        email, _, token = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return email == EMAIL and (token == site.token or (gateway and token == SCOPED_TOKEN))


class ApiCall(msgspec.Struct, frozen=True):
    """One request: the site, names from the path, the query, the decoded body, and whether anybody signed in."""

    site: Site
    path: dict[str, str]
    query: QueryParams
    body: Any
    signed_in: bool

    def fail_if_broken(self, endpoint: str, requested: list[int], most: int) -> None:
        """Raise JiraError where a fault is set for this endpoint and what is requested; see `Broken.strikes`."""
        for one in self.site.faults.broken:
            if one.strikes(endpoint, requested, most):
                raise JiraError(one.status, "Broken for the test.")

    def requested_ids(self) -> list[int]:
        """Return the issues or worklogs that the path or the body names by id."""
        names = [self.path.get("issue", "")]
        if isinstance(self.body, dict):
            names += [str(one) for name in ("issueIdsOrKeys", "ids") for one in self.body.get(name) or []]
        return [int(name) for name in names if name.isdigit()]

    def number(self, name: str, default: int, most: int | None = None, least: int = 0) -> int:
        """Return a whole number from the query, or from the body where that has it.

        Too large a number is cut to ``most``, as Jira does.

        Raises:
            JiraError: 400, it is no number or too small.
        """
        given = self.query.get(name)
        if given is None and isinstance(self.body, dict):
            given = self.body.get(name)
        try:
            found = default if given is None else int(given)
        except (TypeError, ValueError) as error:
            raise JiraError(400, f"The value of '{name}' is not a number.") from error
        if found < least:
            raise JiraError(400, f"The value of '{name}' must be at least {least}.")
        return found if most is None else min(found, most)

    def listed(self, name: str) -> list[str]:
        """Return a list: from the body, or comma-separated and repeated in the query."""
        if isinstance(self.body, dict) and self.body.get(name) is not None:
            value = self.body[name]
            if isinstance(value, str):
                return [part.strip() for part in value.split(",") if part.strip()]
            if not isinstance(value, list):
                raise JiraError(400, "Invalid request payload. Refer to the REST API documentation and try again.")
            return [str(part) for part in value]
        return [part.strip() for text in self.query.getlist(name) for part in text.split(",") if part.strip()]

    def ids(self, name: str, most: int = 1_000) -> list[int]:
        """Return a list of ids from the body.

        Raises:
            JiraError: 400, it is missing, empty, too long or holds something else.
        """
        values = self.body.get(name) if isinstance(self.body, dict) else None
        if not isinstance(values, list) or not 0 < len(values) <= most:
            raise JiraError(400, f"The '{name}' list must hold 1 to {most} ids.")
        try:
            return [int(value) for value in values]
        except (TypeError, ValueError) as error:
            raise JiraError(400, f"The '{name}' list must hold ids.") from error
