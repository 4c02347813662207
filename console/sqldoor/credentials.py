"""Who may ask: whoever knows the token, when there is one."""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence

from starlette.datastructures import Headers

from console.sqldoor.refusal import AUTHENTICATION_FAILED, refused


def authenticate(tokens: Sequence[str], headers: Headers, url: Mapping[str, str]) -> None:
    """Let a request pass that brings one of the tokens, in any of the ways that ClickHouse knows.

    These are ``Authorization: Bearer``, the password of basic authentication (of any user), ``X-ClickHouse-Key`` and
    ``password=`` in the URL.

    Args:
        tokens: Those that are good; none lets everybody pass.
        headers: The request's headers.
        url: The URL's parameters.

    Raises:
        DoorError: None of the tokens is there.
    """
    if not tokens:
        return
    given = (
        _authorized(headers.get("authorization", "")),
        headers.get("x-clickhouse-key", "").encode("latin-1"),
        url.get("password", "").encode("utf-8", "surrogateescape"),
    )
    # Every pair is compared, so that the time tells nothing.
    good = [hmac.compare_digest(one, token.encode()) for one in given for token in tokens]
    if not any(good):
        raise refused(AUTHENTICATION_FAILED, "default: Authentication failed: the password is the door's token")


def _authorized(header: str) -> bytes:
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("latin-1")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""
