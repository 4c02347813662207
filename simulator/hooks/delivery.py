"""The deliveries an act causes: one webhook or several, their headers and signature, and what became of them."""

import hmac
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Literal

import msgspec

from simulator.chance import mix, uuid
from simulator.company.person import roster
from simulator.config import SiteConfig
from simulator.hooks.bodies import Bodies
from simulator.life.act import Act
from simulator.life.truth import facts

Flow = Literal["Primary", "Secondary"]

_HISTORY, _ECHO, _EXTRA, _CASCADE = 1, 2, 3, 16
"""Sides of one act that have webhooks of their own; a cascade has many."""


class Delivery(msgspec.Struct, frozen=True):
    """One webhook to be sent.

    Attributes:
        number: Names the delivery on this site: the same act gives the same number whenever it is computed.
        event: webhookEvent.
        flow: Primary, or Secondary for the fallout of a bulk change or a deletion.
        at: When Jira would send it, epoch ms.
        body: The JSON bytes, as they are signed.
        keys: The facts it brings, by event_key; none for echoes, cascades and events that are no facts.
    """

    number: int
    event: str
    flow: Flow
    at: int
    body: bytes
    keys: tuple[str, ...] = ()


class Announcer:
    """Makes deliveries of acts, for one site."""

    def __init__(self, config: SiteConfig) -> None:
        """Prepare for a site."""
        self.config = config
        self.bodies = Bodies(config, roster(config))
        self._encode = msgspec.json.Encoder().encode

    def deliveries(self, act: Act) -> Iterator[Delivery]:
        """Yield what Jira sends because of this act, the main event first."""
        bodies = self.bodies
        keys = [fact.key for fact in facts(self.config, act)]
        if act.entry is None:
            yield self._made(act, 0, bodies.issue(act), "Secondary" if act.bulk else "Primary", *keys)
            if self.config.extras and act.kind == "issue_changed":
                for extra in bodies.extras(act):
                    yield self._made(act, _EXTRA, extra, "Secondary" if act.bulk else "Primary")
            for place, (family, entry) in enumerate(act.victims if act.kind == "issue_deleted" else ()):
                if self.config.extras or family in ("comment", "worklog"):
                    yield self._made(act, _CASCADE + place, bodies.victim(act, family, entry), "Secondary")
            return
        yield self._made(act, 0, bodies.entry(act), "Primary", *keys[:1])
        if act.history and self.config.activity_histories:
            yield self._made(act, _HISTORY, bodies.issue(act), "Primary", *keys[1:])
        elif self.config.echoes and not act.kind.endswith("_touched"):
            yield self._made(act, _ECHO, bodies.echo(act), "Primary")

    def _made(self, act: Act, side: int, body: dict[str, Any], flow: Flow, *keys: str) -> Delivery:
        number = mix(self.config.seed, act.issue.id, act.seq, side)
        return Delivery(number, body["webhookEvent"], flow, body["timestamp"], self._encode(body), keys)


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


class DeliveryStats:
    """Counts attempts and outcomes, and remembers every delivery that did not arrive.

    Memory grows with what was lost, which is the report, and with nothing else: of a delivery sent twice something is
    kept only from the end of one of the two to the end of the other.

    Attributes:
        sent: Attempts made, first ones and retries.
        delivered: Deliveries answered 2xx; a delivery sent twice counts twice.
        retried: Attempts that were retries.
        statuses: Answers by status; 0 for failed connections.
    """

    def __init__(self, registration: int = 0) -> None:
        """Begin at zero, for the webhook registration of this number."""
        self.registration = registration
        self.sent = self.delivered = self.retried = 0
        self.statuses: dict[int, int] = {}
        self._lost: dict[int, tuple[str, str, tuple[str, ...]]] = {}
        self._halves: dict[int, bool] = {}

    def attempted(self, status: int, *, retry: bool) -> None:
        """Count one attempt."""
        self.sent += 1
        self.retried += retry
        self.statuses[status] = self.statuses.get(status, 0) + 1

    def arrived(self, delivery: Delivery, *, twin: bool = False) -> None:
        """Count an arrival. ``twin`` says that the delivery is one of two that are the same."""
        self.delivered += 1
        if twin:
            self._settle(delivery.number, arrived=True)

    def lose(self, delivery: Delivery, reason: str, *, twin: bool = False) -> None:
        """Remember a delivery that will not arrive; one of a pair is lost when both are."""
        if not twin or self._settle(delivery.number, arrived=False) is False:
            self._lost[delivery.number] = (delivery.event, reason, delivery.keys)

    def _settle(self, number: int, *, arrived: bool) -> bool | None:
        """Note how one of a pair has ended; returns how the other has, None while it is under way."""
        other = self._halves.pop(number, None)
        if other is None:
            self._halves[number] = arrived
        return other

    @property
    def half_known(self) -> int:
        """How many pairs have one of the two still under way."""
        return len(self._halves)

    @property
    def lost_keys(self) -> set[str]:
        """The facts, by event_key, that no webhook has brought."""
        return {key for _, _, keys in self._lost.values() for key in keys}

    def as_json(self) -> dict[str, Any]:
        """Return all of it as one JSON object; ``lost`` lists identifier, event, reason and facts."""
        lost = [
            {"identifier": uuid(number, self.registration), "event": event, "reason": reason, "keys": list(keys)}
            for number, (event, reason, keys) in self._lost.items()
        ]
        counts = {"sent": self.sent, "delivered": self.delivered, "retried": self.retried}
        return {**counts, "statuses": {str(k): v for k, v in sorted(self.statuses.items())}, "lost": lost}
