"""What goes wrong at the REST API, and which of Jira's unclear habits the site has; set while it runs."""

from typing import Literal

import msgspec

Form = Literal["burst", "quota", "json", "html", "bare", "zero"]

ALL_PERMISSIONS = ["ADMINISTER", "USER_PICKER", "BROWSE_PROJECTS", "ADMINISTER_PROJECTS"]


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
        search_lag_ms: How far the search index is behind.
        short_page_share: Share of search pages that hold fewer than asked for, though more follow.
        vanish_every: After every so many requests some issues are deleted; 0 for never.
        vanish_count: How many issues then.
        permissions: What the calling account may do.
        bulk_created: How changelog/bulkfetch writes ``created``; Jira's real form is not known.
        embedded_comments: Comments that search and issue answers hold; ``total`` tells of the rest.
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
