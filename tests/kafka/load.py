"""Webhooks under way all the while, with the answer and the seconds of each."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import NamedTuple

import httpx

from tests.endtoend.installation import signature
from tests.endtoend.webhooks import webhook
from tests.kafka.report import Report

_CLIENT_SECONDS = 30.0
_PAUSE = 0.01
"""Seconds a sender rests between two webhooks: a steady load, not all that two cores can do."""


class Answer(NamedTuple):
    """What became of one webhook; status 0 when nobody answered."""

    status: int
    seconds: float
    retry_after: bool


class Load:
    """Posts made-up webhooks from many connections and remembers which were accepted."""

    def __init__(self, url: str, report: Report, senders: int = 8) -> None:
        self._url = url
        self._report = report
        self._senders = senders
        self._numbers: Iterator[int] = iter(range(1, 10_000_000))
        self.sent: set[int] = set()
        self.accepted: set[int] = set()
        self.answers: list[Answer] = []

    @asynccontextmanager
    async def posting(self) -> AsyncIterator[None]:
        """Post all the while; those under way at the end get their answers."""
        stop = asyncio.Event()
        tasks = [asyncio.create_task(self._send(stop)) for _ in range(self._senders)]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*tasks)

    @contextmanager
    def outage(self, name: str) -> Iterator[None]:
        """Measure the answers that come meanwhile."""
        begin, since = len(self.answers), time.monotonic()
        yield
        self._report.add(name, self.answers[begin:], time.monotonic() - since)

    async def until_accepted(self, more: int) -> None:
        """Wait until so many more are accepted."""
        goal = len(self.accepted) + more
        async with asyncio.timeout(90):
            while len(self.accepted) < goal:
                await asyncio.sleep(0.01)

    async def until_refused(self, more: int) -> None:
        """Wait until so many more are refused."""
        goal = self.refused + more
        async with asyncio.timeout(90):
            while self.refused < goal:
                await asyncio.sleep(0.01)

    @property
    def refused(self) -> int:
        return sum(answer.status == httpx.codes.SERVICE_UNAVAILABLE for answer in self.answers)

    def assert_answers_were_proper(self) -> None:
        """Only 204, 503 with Retry-After, or no answer at all."""
        statuses = Counter(answer.status for answer in self.answers)
        assert set(statuses) <= {0, 204, 503}, statuses
        assert all(answer.retry_after for answer in self.answers if answer.status == 503)

    async def _send(self, stop: asyncio.Event) -> None:
        async with httpx.AsyncClient(timeout=_CLIENT_SECONDS) as client:
            while not stop.is_set():
                number = next(self._numbers)
                body = webhook(number).body
                self.sent.add(number)
                begin = time.monotonic()
                try:
                    answer = await client.post(self._url, content=body, headers=signature(body))
                except httpx.TransportError:
                    self.answers.append(Answer(0, time.monotonic() - begin, False))
                    await asyncio.sleep(0.05)
                    continue
                retry_after = "retry-after" in answer.headers
                self.answers.append(Answer(answer.status_code, time.monotonic() - begin, retry_after))
                if answer.status_code == httpx.codes.NO_CONTENT:
                    self.accepted.add(number)
                await asyncio.sleep(_PAUSE)
