"""The headers of a delivery, the signature among them."""

import hmac
from hashlib import sha256

from simulator.chance import uuid
from simulator.hooks.delivery import Delivery


def signature(secret: str, body: bytes) -> str:
    """Return X-Hub-Signature: HMAC over the raw body in WebSub form, hex."""
    return "sha256=" + hmac.digest(secret.encode(), body, sha256).hex()


def headers(delivery: Delivery, secret: str, registration: int = 0, retry: int = 0) -> dict[str, str]:
    """Return the headers of one attempt.

    Args:
        delivery: What is sent.
        secret: The webhook's secret; empty for an unsigned webhook.
        registration: Number of the webhook registration; each has identifiers of its own.
        retry: Which retry this is; 0 for the first attempt, which has no Retry header.
    """
    made = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Atlassian Webhook HTTP Client",
        "X-Atlassian-Webhook-Identifier": uuid(delivery.number, registration),
        "X-Atlassian-Webhook-Flow": delivery.flow,
    }
    if retry:
        made["X-Atlassian-Webhook-Retry"] = str(retry)
    if secret:
        made["X-Hub-Signature"] = signature(secret, delivery.body)
    return made
