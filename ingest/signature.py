"""Who may post: the signature over a webhook's raw body.

Jira Cloud sends ``X-Hub-Signature: sha256=<hex>``, an HMAC over the raw body in the form of WebSub, and says that the
method may change (Atlassian's webhooks page); so the method is read from the header, among those that are safe.
"""

import hmac
from collections.abc import Sequence
from typing import NamedTuple

_METHODS = {b"sha256": ("sha256", 64), b"sha384": ("sha384", 96), b"sha512": ("sha512", 128)}
"""Safe methods of WebSub, each with the length of its signature in hex; sha1 and md5 are not safe."""


class Signature(NamedTuple):
    """A method and what it is said to give, as lower-case hex."""

    method: str
    claimed: bytes


def parse_signature(header: bytes) -> Signature | None:
    """Read ``method=hex``; None when it has another form, length, or a method that is not safe."""
    name, _, claimed = header.strip().partition(b"=")
    method, length = _METHODS.get(name.lower(), ("", -1))
    return Signature(method, claimed.lower()) if len(claimed) == length else None


def signed(body: bytes, signature: Signature, secrets: Sequence[bytes]) -> bool:
    """Return whether one of the secrets made this signature of the body; the time taken gives nothing away."""
    return any(
        hmac.compare_digest(hmac.digest(secret, body, signature.method).hex().encode(), signature.claimed)
        for secret in secrets
    )
