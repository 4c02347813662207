"""What Jira sent and Rollcall could not understand, kept so that it can be replayed after a fix."""

import hashlib
from collections.abc import Mapping

from rollcall.errors import NotUnderstoodError
from rollcall.records import DeadLetter

ORIGIN = "webhook"
FLOW = "x-atlassian-webhook-flow"
IDENTIFIER = "x-atlassian-webhook-identifier"
RETRY = "x-atlassian-webhook-retry"

_KEPT = (FLOW, IDENTIFIER, RETRY)
"""The headers that say how to read the payload and which delivery it was. The signature is not among them: with
the payload beside it, it would allow guessing the secret."""

_LONGEST = 256


def letter(
    site: str, body: bytes, headers: Mapping[str, str], error: NotUnderstoodError, received_at: int
) -> DeadLetter:
    """Make the dead letter of a webhook.

    Args:
        site: Name of the Jira site in the settings.
        body: The body as it came.
        headers: The request's headers, names in any case; only those that matter for reading it again are kept.
        error: Why it was not understood.
        received_at: When it came, epoch ms.

    Returns:
        The letter; the same body of the same site is always the same letter.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    return DeadLetter(
        letter_id=hashlib.sha256(b"\0".join((site.encode(), ORIGIN.encode(), body))).hexdigest()[:32],
        site=site,
        origin=ORIGIN,
        reason=error.reason,
        detail=error.detail,
        headers={name: lower[name][:_LONGEST] for name in _KEPT if name in lower},
        payload=body,
        received_at=received_at,
    )
