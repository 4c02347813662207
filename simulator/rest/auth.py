"""Who is asking: basic auth with e-mail and API token, on the site's URL or behind the gateway."""

import base64
import binascii

from starlette.datastructures import Headers

from simulator.rest.answer import JiraError
from simulator.rest.state import EMAIL, SCOPED_TOKEN, Site


def signed_in(site: Site, headers: Headers, *, gateway: bool) -> bool:
    """Tell whether the request carries the caller's credentials.

    Jira Cloud: scoped tokens work at the gateway only; with wrong credentials some endpoints answer as to a stranger.
    """
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        email, _, token = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return email == EMAIL and (token == site.token or (gateway and token == SCOPED_TOKEN))


def refuse_stranger() -> JiraError:
    """Return Jira's 401."""
    headers = {
        "WWW-Authenticate": 'OAuth realm="https%3A%2F%2Facme.atlassian.net"',
        "X-Seraph-LoginReason": "AUTHENTICATED_FAILED",
    }
    return JiraError(401, "Client must be authenticated to access this resource.", headers=headers)


def refuse(permission: str) -> JiraError:
    """Return Jira's 403 for a missing permission."""
    return JiraError(403, f"You do not have the permission {permission} that this operation needs.")
