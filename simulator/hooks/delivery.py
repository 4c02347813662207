"""The deliveries an act causes: one webhook or several, with what their headers need."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from simulator.chance import mix
from simulator.company.people import roster
from simulator.config import SiteConfig
from simulator.hooks.bodies import Bodies
from simulator.life.act import Act
from simulator.truth.fact import facts

Flow = Literal["Primary", "Secondary"]

_HISTORY, _ECHO, _EXTRA, _CASCADE = 1, 2, 3, 16
"""Sides of one act that are told separately; a cascade has many."""


class Delivery(msgspec.Struct, frozen=True):
    """One webhook to be sent.

    Attributes:
        number: Names the delivery on this site: the same act gives the same number whenever it is told.
        event: webhookEvent.
        flow: Primary, or Secondary for the fallout of a bulk change or a deletion.
        at: When Jira would send it, epoch ms.
        body: The JSON bytes, as they are signed.
        keys: The facts it tells, by event_key; none for echoes, cascades and events that are no facts.
    """

    number: int
    event: str
    flow: Flow
    at: int
    body: bytes
    keys: tuple[str, ...] = ()


class Announcer:
    """Turns acts into deliveries for one site."""

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
