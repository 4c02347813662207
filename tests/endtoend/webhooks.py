"""Made-up webhooks of Jira Cloud's shape, and a crowd that posts them."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from .installation import Installation, signature

START_MS = 1_795_000_000_000
"""2026-11-18: a test names its days, or where it reads the last 30 of them, the moment that its acts are told from."""

_DAY_MS = 86_400_000
_PEOPLE = 50
_DAYS = 7


@dataclass(frozen=True, slots=True)
class Told:
    """What webhook number so many tells: somebody wrote a comment or logged work, on one of seven days.

    The numbers of people, days and families have no common divisor, so that everybody does everything on every day.
    """

    number: int
    """From 1 on: Jira's ids are never 0."""
    family: str
    start_ms: int = START_MS

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ValueError(f"Jira gives nothing the id {self.number}")

    @property
    def event_key(self) -> str:
        return f"{self.family}:{self.number}:created"

    @property
    def account_id(self) -> str:
        return f"5b10a2844c20165700ed{self.number % _PEOPLE:04}"

    @property
    def at(self) -> int:
        """Epoch ms."""
        return self.start_ms + self.number * 977 - self.number % _DAYS * _DAY_MS

    @property
    def body(self) -> bytes:
        moment = (
            datetime.fromtimestamp(self.at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{self.at % 1000:03}+0000"
        )
        author = {"accountId": self.account_id, "accountType": "atlassian", "active": True}
        issue_id, issue_key = str(10_000 + self.number % 300), f"ACME-{self.number % 300}"
        entity = {
            "id": str(self.number),
            "author": author,
            "updateAuthor": author,
            "created": moment,
            "updated": moment,
        }
        told = {"timestamp": self.at, "webhookEvent": f"{self.family}_created"}
        if self.family == "worklog":
            return json.dumps({**told, "worklog": {**entity, "issueId": issue_id}}).encode()
        issue = {"id": issue_id, "key": issue_key, "fields": {"project": {"key": "ACME"}}}
        return json.dumps({**told, "comment": entity, "issue": issue}).encode()


def webhook(number: int) -> Told:
    """Every third is about a worklog, the others about comments; each number is one of its own."""
    return Told(number, "comment" if number % 3 else "worklog")


def comment_created(number: int) -> tuple[str, bytes]:
    """The event key and the body of a comment; each number is a comment of its own."""
    told = Told(number, "comment")
    return told.event_key, told.body


class Crowd:
    """Posts webhooks from many connections for as long as it is let, and remembers what was answered."""

    def __init__(self, installation: Installation, senders: int = 16) -> None:
        self._to = installation
        self._senders = senders
        self._numbers: Iterator[int] = iter(range(1, 10_000_000))
        self.sent: set[int] = set()
        self.accepted: set[int] = set()
        self.statuses: dict[int, int] = {}
        self.retry_after_missing = 0

    @asynccontextmanager
    async def posting(self) -> AsyncIterator[None]:
        """Post all the while."""
        tasks = [asyncio.create_task(self._send()) for _ in range(self._senders)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self) -> None:
        async with httpx.AsyncClient(timeout=30) as client:
            while True:
                number = next(self._numbers)
                body = webhook(number).body
                self.sent.add(number)
                try:
                    answer = await client.post(self._to.webhook_url, content=body, headers=signature(body))
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
                    continue
                self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
                if answer.status_code == httpx.codes.NO_CONTENT:
                    self.accepted.add(number)
                elif "retry-after" not in answer.headers:
                    self.retry_after_missing += 1
