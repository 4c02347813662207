"""Jira's burst limit: a bucket for each endpoint and method, and the many forms in which it says no."""

import time
from datetime import UTC, datetime, timedelta

from starlette.responses import Response

from simulator.rest.answer import answer
from simulator.rest.faults import Form

_PAGE = (
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Oops - an error has occurred</title></head>'
    '<body class=" error-page error429"><div id="page"><h1>Oops, you have made too many requests.</h1></div>'
    "</body></html>"
)
_JSON = {"errorMessages": ["The request has been rate-limited. Please try again later."], "errors": {}, "status": 429}


class Throttle:
    """Counts requests against buckets, in real time as Jira does."""

    def __init__(self) -> None:
        """Begin with full buckets."""
        self._buckets: dict[str, tuple[float, float]] = {}
        self._refused = 0

    def take(self, endpoint: str, per_s: float, size: int) -> bool:
        """Take a request out of the endpoint's bucket; False when it is empty."""
        now = time.monotonic()
        level, at = self._buckets.get(endpoint, (float(size), now))
        level = min(float(size), level + (now - at) * per_s)
        allowed = level >= 1
        self._buckets[endpoint] = (level - allowed, now)
        return allowed

    def refuse(self, forms: list[Form], limit: int) -> Response:
        """Return the next 429: the forms take turns."""
        form = forms[self._refused % len(forms)]
        self._refused += 1
        return refusal(form, limit)


def refusal(form: Form, limit: int = 100) -> Response:
    """Return a 429 in one of the forms seen from Jira Cloud.

    ``burst`` and ``quota`` follow Atlassian's rate-limit page; ``html`` was seen in 2022 and is no JSON, ``json`` in
    2026; ``bare`` has no Retry-After (a gateway, 2026), ``zero`` says ``Retry-After: 0``.
    """
    reset = datetime.now(UTC).replace(microsecond=0)
    rates = {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": "0"}
    if form == "burst":
        rates |= {"Retry-After": "1", "RateLimit-Reason": "jira-burst-based"}
        rates["X-RateLimit-Reset"] = (reset + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return answer(_JSON, 429, rates)
    if form == "quota":
        rates |= {"Retry-After": "2", "RateLimit-Reason": "jira-quota-global-based", "X-RateLimit-NearLimit": "true"}
        # Seen without seconds.
        rates["X-RateLimit-Reset"] = (reset + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%MZ")
        return answer(_JSON, 429, rates)
    if form == "html":
        return Response(_PAGE, 429, {"Retry-After": "1"}, media_type="text/html;charset=UTF-8")
    if form == "zero":
        return answer(_JSON, 429, {"Retry-After": "0"})
    if form == "bare":
        return Response(_PAGE, 429, media_type="text/html;charset=UTF-8")
    return answer(_JSON, 429, {"Retry-After": "1"})
