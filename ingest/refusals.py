"""Refused posts: what each reason means and what to do about it, in the log and for whoever counts them."""

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from prometheus_client import Counter

from ingest.body import RefusalError
from rollcall.jira.events import OTHER
from rollcall.logs import RationedLog, logger
from rollcall.metrics import WEBHOOK_REFUSED_LAST, WEBHOOKS

_log = logger(__name__)

UNKNOWN_SITE = ""
"""Label of posts to sites that the settings do not name: what anybody puts into a URL is no label."""


class Meaning(NamedTuple):
    """What a reason of refusal means.

    Attributes:
        cause: What is wrong, in a clause.
        remedy: What to do about it, in a sentence without a full stop.
        lost: Whether Jira drops the event for good; else it sends it again.
    """

    cause: str
    remedy: str
    lost: bool = True


_AGAIN = "Jira sends these again"

MEANINGS = {
    "no_signature": Meaning(
        "they are not signed",
        "Jira's Automation ('Send web request') and post functions of workflows send such: register a webhook under "
        "System > WebHooks instead. If the webhook in Jira is meant, it has no secret: enter there the one of the "
        "settings",
    ),
    "bad_signature": Meaning(
        "their X-Hub-Signature is none of Jira's",
        "something else than a webhook of Jira's posts here, or a proxy changes the header",
    ),
    "wrong_signature": Meaning(
        "they are signed with another secret",
        "the secret at the webhook in Jira differs from webhook_secrets: enter the same at both and start Rollcall "
        "again. If they are the same, a proxy changes the body",
    ),
    "unknown_site": Meaning(
        "their URL names no site of the settings",
        "the webhook's URL in Jira has to end in /webhooks/ and the name of a site of the settings",
    ),
    "unknown_path": Meaning(
        "their path does not begin with /webhooks/",
        "the URL in Jira lacks /webhooks/, or the proxy cuts or changes the path: it has to pass it on as it is",
    ),
    "not_http": Meaning(
        "they are no HTTP/1.1",
        "let the proxy speak plain HTTP/1.1 to this port, without TLS, HTTP/2 and the PROXY protocol. If nothing of "
        "yours does otherwise, a stranger knocks at the port",
    ),
    "too_large": Meaning("their bodies exceed ingest.body_limit", "raise ingest.body_limit; Jira sends up to 25 MB"),
    "not_post": Meaning("they are no POST", "Jira posts; somebody else asks here", lost=False),
    "too_slow": Meaning("their bodies came too slowly", f"{_AGAIN}; see what slows down the proxy", lost=False),
    "memory_full": Meaning(
        "too many bodies were in memory", f"{_AGAIN}; raise ingest.bodies_in_memory if it lasts", lost=False
    ),
    "log_timeout": Meaning("the event log took too long", f"{_AGAIN}; /readyz says how the log is", lost=False),
    "log_unavailable": Meaning("the event log takes nothing", f"{_AGAIN}; /readyz says what it lacks", lost=False),
    "log_failed": Meaning("the event log failed", f"{_AGAIN}; please report it", lost=False),
    "stopping": Meaning("Rollcall was stopping", _AGAIN, lost=False),
}
"""What every reason means."""

_OF_NO_SITE = frozenset({"unknown_site", "unknown_path", "not_http"})
"""Reasons for which nobody knows what site is meant."""


class RefusalLog:
    """Counts and logs refused posts.

    Args:
        sites: Names of the sites in the settings.
    """

    def __init__(self, sites: Iterable[str]) -> None:
        self._log = RationedLog(_log)
        names = list(sites)
        # The series of what would be lost begin at 0: else the first refusal would be no increase.
        for reason, meaning in MEANINGS.items():
            for site in [UNKNOWN_SITE] if reason in _OF_NO_SITE else names:
                if meaning.lost:
                    _counter(site, reason)

    def tell(self, site: str, refusal: RefusalError, delivery: str) -> None:
        """Count a refused post, and log it unless the log had many such lines within the minute.

        Args:
            site: Name of the site in the settings, or `UNKNOWN_SITE`.
            refusal: Why it is refused.
            delivery: Jira's identifier of the delivery, fit for a log line.
        """
        _counter(site, refusal.reason).inc()
        WEBHOOK_REFUSED_LAST.labels(site, refusal.reason).set_to_current_time()
        self._log.warning(
            "webhook refused",
            {"site": site, "status": refusal.status, "reason": refusal.reason},
            delivery=delivery,
            **({"detail": refusal.detail} if refusal.detail else {}),
            remedy=MEANINGS[refusal.reason].remedy,
        )


@cache
def _counter(site: str, reason: str) -> Counter:
    return WEBHOOKS.labels(site, OTHER, reason)
