"""What goes wrong at the REST API, and which of Jira's unclear habits the site has; set while it runs.

The burst limit among them: a bucket for each endpoint and method, and the many forms of a 429.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec
from starlette.responses import Response

from simulator.rest.response import json_response

Form = Literal["burst", "quota", "json", "html", "bare", "zero"]

ALL_PERMISSIONS = ["ADMINISTER", "USER_PICKER", "BROWSE_PROJECTS", "ADMINISTER_PROJECTS"]


class Broken(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An endpoint that fails for good, wholly or where certain things are requested.

    Attributes:
        endpoint: ``METHOD /path`` with names in braces; followed by ``(ids only)`` for a search that asks for no more.
        status: What it answers then.
        ids: Issues or worklogs without which it does answer; none for whatever is requested.
        above: It answers where no more than so many things are requested at once.
    """

    endpoint: str
    status: int = 500
    ids: list[int] = []
    above: int = 0

    def strikes(self, endpoint: str, requested: list[int], most: int) -> bool:
        """Return whether a request fails.

        Args:
            endpoint: What is asked.
            requested: Ids of the things that it names or is to be answered with.
            most: How many things it asks for at most.
        """
        if endpoint != self.endpoint or most <= self.above:
            return False
        return not self.ids or not set(self.ids).isdisjoint(requested)


class Faults(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Faults and habits; the defaults are a healthy site.

    Attributes:
        latency_ms: Wait before every answer, real ms.
        error_share: Share of requests answered 503.
        error_retry_after: Seconds in the Retry-After of those, null for none.
        throttle_share: Share of requests answered 429, whatever the rate.
        throttle_forms: The forms of 429 answers, in turn.
        burst_per_s: Requests a second that one endpoint and method allows; 0 for no limit.
        burst_size: Size of its bucket.
        forced: Statuses of the next answers, by ``METHOD /path`` with names in braces.
        broken: Endpoints that fail for good.
        skipped_page: Number of a search page (from 1) that is left out where more than ids are asked for; 0 for none.
        unlisted: Issues that a search leaves out where more than ids are asked for.
        left_out: Issues that changelog/bulkfetch leaves out as if they had no history.
        most_entries: Entries of an issue that changelog/bulkfetch gives, the oldest; 0 for all.
        unlisted_products: Keys of products that the list of application roles leaves out.
        unlisted_users: Ids of accounts that users/search leaves out.
        archived: Keys of projects that are archived: listed with their status only.
        early_last: Whether every search page says that it is the last, also where a token follows.
        search_lag_ms: How far the search index is behind.
        short_page_share: Share of search pages that hold fewer than asked for, though more follow.
        vanish_every: After every so many requests some issues are deleted; 0 for never.
        vanish_count: How many issues then.
        permissions: What the calling account may do.
        bulk_created: How changelog/bulkfetch writes ``created``; Jira's real form is not known.
        embedded_comments: Comments that search and issue answers hold; ``total`` counts the rest too.
        embedded_worklogs: The same for worklogs; 20 is captured.
        embedded_histories: The same for ``expand=changelog``, newest first.
        feed_ties: Whether a page of the worklog feeds cuts through a millisecond or holds all of it.
        free_plan: Whether every product is on a free plan, so that there is no audit log.
    """

    latency_ms: float = 0.0
    error_share: float = 0.0
    error_retry_after: int | None = None
    throttle_share: float = 0.0
    throttle_forms: list[Form] = msgspec.field(default_factory=lambda: ["burst", "html", "json", "bare", "zero"])
    burst_per_s: float = 0.0
    burst_size: int = 10
    forced: dict[str, list[int]] = {}
    broken: list[Broken] = []
    skipped_page: int = 0
    unlisted: list[int] = []
    left_out: list[int] = []
    most_entries: int = 0
    unlisted_products: list[str] = []
    unlisted_users: list[str] = []
    archived: list[str] = []
    early_last: bool = False
    search_lag_ms: int = 0
    short_page_share: float = 0.0
    vanish_every: int = 0
    vanish_count: int = 1
    permissions: list[str] = msgspec.field(default_factory=lambda: list(ALL_PERMISSIONS))
    bulk_created: Literal["iso", "epoch_ms", "epoch_ms_string"] = "epoch_ms"
    embedded_comments: int = 20
    embedded_worklogs: int = 20
    embedded_histories: int = 40
    feed_ties: Literal["cut", "whole"] = "cut"
    free_plan: bool = False


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
        return too_many_requests(form, limit)


def too_many_requests(form: Form, limit: int = 100) -> Response:
    """Return a 429 in one of the forms seen from Jira Cloud.

    ``burst`` and ``quota`` follow Atlassian's rate-limit page; ``html`` was seen in 2022 and is no JSON, ``json`` in
    2026; ``bare`` has no Retry-After (a gateway, 2026), ``zero`` says ``Retry-After: 0``.
    """
    reset = datetime.now(UTC).replace(microsecond=0)
    rates = {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": "0"}
    if form == "burst":
        rates |= {"Retry-After": "1", "RateLimit-Reason": "jira-burst-based"}
        rates["X-RateLimit-Reset"] = (reset + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return json_response(_JSON, 429, rates)
    if form == "quota":
        rates |= {"Retry-After": "2", "RateLimit-Reason": "jira-quota-global-based", "X-RateLimit-NearLimit": "true"}
        # Seen without seconds.
        rates["X-RateLimit-Reset"] = (reset + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%MZ")
        return json_response(_JSON, 429, rates)
    if form == "html":
        return Response(_PAGE, 429, {"Retry-After": "1"}, media_type="text/html;charset=UTF-8")
    if form == "zero":
        return json_response(_JSON, 429, {"Retry-After": "0"})
    if form == "bare":
        return Response(_PAGE, 429, media_type="text/html;charset=UTF-8")
    return json_response(_JSON, 429, {"Retry-After": "1"})
