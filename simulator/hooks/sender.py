"""The sender: takes deliveries, keeps to Jira's concurrency, retries by Jira's rules.

`Disorder` says what a network does to the orderly stream before: some lost, some twice, some late; within bounds, and
repeatable.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import count

import msgspec
from msgspec.structs import replace

from simulator.chance import share
from simulator.clock import Clock, ScaledClock
from simulator.hooks.delivery import Delivery, DeliveryStats, Flow, headers
from simulator.hooks.host import PRIMARY, RETRIES, SECONDARY, HostHealth, Hosts, retriable, retry_delay, succeeded
from simulator.hooks.http_connection import ANSWER_S, HttpConnection
from simulator.hooks.registry import FixedTarget, Target


class Disorder(msgspec.Struct, frozen=True, kw_only=True):
    """How much disorder.

    Attributes:
        loss: Share of deliveries that Jira never sends.
        duplicates: Share that is sent twice, both with one identifier.
        window: A delivery comes at most this many places late.
        salt: Other numbers draw other victims.
    """

    loss: float = 0.0
    duplicates: float = 0.0
    window: int = 0
    salt: int = 0


class Parcel(msgspec.Struct):
    """A delivery on its way. ``twin`` marks both of a pair, ``tries`` counts attempts made."""

    delivery: Delivery
    twin: bool = False
    tries: int = 0


class Shuffle:
    """Lets deliveries through in disorder; holds back at most ``window`` of them and their copies."""

    def __init__(self, disorder: Disorder, lose: Callable[[Delivery], None]) -> None:
        """Begin empty. ``lose`` is called for each delivery that never comes out."""
        self._disorder = disorder
        self._lose = lose
        self._held: list[tuple[float, int, Parcel]] = []
        self._place = 0

    def push(self, delivery: Delivery) -> Iterator[Parcel]:
        """Put one in, and yield those that come out now."""
        salt, window, number = self._disorder.salt, self._disorder.window, delivery.number
        if share(number, salt, 1) < self._disorder.loss:
            self._lose(delivery)
            return
        twin = share(number, salt, 3) < self._disorder.duplicates
        self._hold(share(number, salt, 2) * window, Parcel(delivery, twin))
        if twin:
            self._hold(share(number, salt, 4) * window, Parcel(delivery, twin))
        while self._held and self._held[0][0] < self._place:
            yield heapq.heappop(self._held)[2]

    def flush(self) -> Iterator[Parcel]:
        """Yield what is still inside."""
        while self._held:
            yield heapq.heappop(self._held)[2]

    def _hold(self, late: float, parcel: Parcel) -> None:
        heapq.heappush(self._held, (self._place + late, self._place, parcel))
        self._place += 1


_AHEAD = 64
"""Deliveries made before a worker is free for them."""
_LOOK_S = 10.0
"""Simulated seconds after which a retry is due at the latest once its time has come."""


class Sender:
    """Delivers under one webhook registration.

    Memory is bounded: while ``waiting_limit`` deliveries wait for a retry, no new ones are taken.
    """

    def __init__(
        self,
        target: Target | str,
        secret: str = "",
        *,
        registration: int = 0,
        disorder: Disorder | None = None,
        clock: Clock | None = None,
        hosts: Hosts | None = None,
        answer_s: float = ANSWER_S,
        waiting_limit: int = 2_000,
    ) -> None:
        """Prepare for a target.

        Args:
            target: Where to post and how, read for each attempt; or a URL that stays.
            secret: Key of the signature where the target is a URL; empty for none.
            registration: Number of the registration; each has identifiers of its own.
            disorder: What to lose, double and shuffle.
            clock: By which retries wait; real time unless given.
            hosts: The hosts of the site, which its senders share; its own unless given.
            answer_s: Real seconds to wait for an answer.
            waiting_limit: Deliveries that may wait for a retry at a time.
        """
        self.stats = DeliveryStats(registration)
        self._target = FixedTarget(target, secret) if isinstance(target, str) else target
        self._registration = registration
        self._disorder = disorder or Disorder()
        self._clock: Clock = clock or ScaledClock()
        self._hosts = hosts or Hosts(self._clock.now)
        self._answer_s = answer_s
        self._limit = waiting_limit
        self._queues: dict[str, asyncio.Queue[Parcel]] = {}
        self._waiting: list[tuple[float, int, Parcel]] = []
        self._order = count()
        self._open = 0
        self._changed = asyncio.Event()

    async def send(self, source: Iterable[Delivery]) -> DeliveryStats:
        """Send everything as fast as it is acknowledged; returns when nothing waits any more."""

        async def feed() -> AsyncIterator[Delivery]:
            for delivery in source:
                yield delivery

        return await self.send_as_it_comes(feed())

    async def send_as_it_comes(self, source: AsyncIterator[Delivery]) -> DeliveryStats:
        """Send what comes, when it comes; returns after the source has ended and nothing waits any more."""
        self._queues = {"Primary": asyncio.Queue(_AHEAD), "Secondary": asyncio.Queue(_AHEAD)}
        shuffle = Shuffle(self._disorder, lambda delivery: self.stats.lose(delivery, "not sent"))
        tasks = [asyncio.create_task(self._work("Primary")) for _ in range(PRIMARY)]
        tasks += [asyncio.create_task(self._work("Secondary")) for _ in range(SECONDARY)]
        tasks.append(asyncio.create_task(self._wake()))
        try:
            async for delivery in source:
                for parcel in shuffle.push(delivery):
                    await self._take(parcel)
            for parcel in shuffle.flush():
                await self._take(parcel)
            while self._open:
                await self._change()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self.stats

    async def _take(self, parcel: Parcel) -> None:
        while len(self._waiting) >= self._limit:
            await self._change()
        self._open += 1
        await self._queues[parcel.delivery.flow].put(parcel)

    async def _change(self) -> None:
        """Wait until something has been delivered, lost or put off."""
        self._changed.clear()
        await self._changed.wait()

    async def _work(self, flow: Flow) -> None:
        """Deliver one parcel after another over a connection of its own."""
        connection = HttpConnection(self._target.url, self._answer_s)
        queue = self._queues[flow]
        try:
            while True:
                parcel = await queue.get()
                host = self._hosts.of(self._target.url)
                async with host.places[flow]:
                    if connection.url != self._target.url:
                        await connection.close()
                        connection = HttpConnection(self._target.url, self._answer_s)
                    await self._attempt(connection, parcel, host.health)
                self._changed.set()
        finally:
            await connection.close()

    async def _attempt(self, connection: HttpConnection, parcel: Parcel, health: HostHealth) -> None:
        delivery, retry, target = parcel.delivery, parcel.tries, self._target
        if target.exclude_body:
            delivery = replace(delivery, body=b"")
        status = await connection.post(headers(delivery, target.secret, self._registration, retry), delivery.body)
        parcel.tries += 1
        self.stats.attempted(status, retry=retry > 0)
        if succeeded(status):
            health.answered()
            self.stats.arrived(delivery, twin=parcel.twin)
        elif not retriable(status):
            self.stats.lose(delivery, f"status {status}", twin=parcel.twin)
        else:
            health.failed()
            if retry < RETRIES and not health.given_up:
                due = self._clock.now() + retry_delay(delivery.number, retry + 1)
                heapq.heappush(self._waiting, (due, next(self._order), parcel))
                return
            reason = "one attempt only" if health.given_up else f"{RETRIES} retries"
            self.stats.lose(delivery, reason, twin=parcel.twin)
        self._open -= 1

    async def _wake(self) -> None:
        """Put what has waited long enough for its retry back in line."""
        while True:
            left = self._waiting[0][0] - self._clock.now() if self._waiting else _LOOK_S
            if left > 0:
                await self._clock.sleep(min(left, _LOOK_S))
                continue
            parcel = heapq.heappop(self._waiting)[2]
            await self._queues[parcel.delivery.flow].put(parcel)

    @property
    def idle(self) -> bool:
        """Whether all that is under way waits for a retry."""
        return self._open == len(self._waiting)
