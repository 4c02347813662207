"""What a process took and refused of webhooks, as its metrics tell it: to the page beside it, and to `check`."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from ingest.refusals import MEANINGS, UNKNOWN_SITE, Meaning
from rollcall.http.guard import split_address, url_host

_LATELY = timedelta(days=1)
_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Refused:
    """Posts refused for one reason.

    Attributes:
        site: Name of the site in the settings; empty where a post named none.
        reason: The reason's short word.
        count: How many since the process began.
        last: When the last one came.
    """

    site: str
    reason: str
    count: int
    last: datetime

    @property
    def meaning(self) -> Meaning:
        """What the reason means, and what to do about it."""
        return MEANINGS[self.reason]


@dataclass(frozen=True, slots=True)
class Received:
    """What a process took and refused since it began.

    Attributes:
        sites: The sites that it takes webhooks of.
        last: When it took the last one of a site; sites of which none came are not in it.
        refused: What it refused, the latest first.
    """

    sites: frozenset[str] = frozenset()
    last: dict[str, datetime] = field(default_factory=dict)
    refused: Sequence[Refused] = ()

    def refused_lately(self, *sites: str) -> list[Refused]:
        """Return what was refused within a day, of posts to these sites or to none, for reasons that Jira can give."""
        since = datetime.now(UTC) - _LATELY
        return [
            one
            for one in self.refused
            if one.site in (UNKNOWN_SITE, *sites) and one.last > since and one.reason != "not_post"
        ]


def read_received(metrics: Iterable[Metric]) -> Received:
    """Read it out of a process's metrics.

    Raises:
        ValueError, OverflowError: They hold numbers that no process of ours has there.
    """
    counts: dict[tuple[str, str], int] = {}
    refused_at: dict[tuple[str, str], datetime] = {}
    taken_at: dict[str, float] = {}
    for sample in (sample for metric in metrics for sample in metric.samples):
        site = sample.labels.get("site", "")
        if sample.name == "rollcall_webhooks_total":
            key = site, sample.labels.get("outcome", "")
            counts[key] = counts.get(key, 0) + int(sample.value)
        elif sample.name == "rollcall_webhook_last_timestamp_seconds":
            taken_at[site] = sample.value
        elif sample.name == "rollcall_webhook_refused_last_timestamp_seconds":
            refused_at[site, sample.labels.get("reason", "")] = datetime.fromtimestamp(sample.value, UTC)
    refused = [
        Refused(site, reason, counts.get((site, reason), 0), last)
        for (site, reason), last in refused_at.items()
        if reason in MEANINGS
    ]
    return Received(
        frozenset(taken_at),
        {site: datetime.fromtimestamp(at, UTC) for site, at in taken_at.items() if at},
        sorted(refused, key=lambda one: one.last, reverse=True),
    )


async def ask_received(address: str, token: str = "") -> Received | None:
    """Ask the process that takes webhooks at an address; None when none answers there, or something else does.

    Args:
        address: ``host:port``, as it listens.
        token: `metrics_token`; empty where there is none.
    """
    host, port = split_address(address)
    with suppress(ValueError):  # a name
        if (ip := ip_address(host)).is_unspecified:
            host = "127.0.0.1" if ip.version == 4 else "::1"
    try:
        async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False) as client:
            headers = {"authorization": f"Bearer {token}"} if token else {}
            answer = await client.get(f"http://{url_host(host)}:{port}/metrics", headers=headers)
        received = read_received(text_string_to_metric_families(answer.text))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OverflowError):
        return None
    return received if received.sites else None
