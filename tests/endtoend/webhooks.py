"""Made-up webhooks of Jira Cloud's shape, and a crowd that posts them."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx

from .installation import Installation, signature

START_MS = 1_795_000_000_000
"""2026-11-18, within the default 30 days of the reports only while that is recent: tests name their days."""


def comment_created(number: int) -> tuple[str, bytes]:
    """The event key and the body of a comment; each number is a comment of its own."""
    at = START_MS + number * 977
    moment = datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1000:03}+0000"
    author = {"accountId": f"5b10a2844c20165700ed{number % 50:04}", "accountType": "atlassian", "active": True}
    body = {
        "timestamp": at,
        "webhookEvent": "comment_created",
        "comment": {"id": str(number), "author": author, "updateAuthor": author, "created": moment, "updated": moment},
        "issue": {
            "id": str(10_000 + number % 300),
            "key": f"ACME-{number % 300}",
            "fields": {"project": {"key": "ACME"}},
        },
    }
    return f"comment:{number}:created", json.dumps(body).encode()


class Crowd:
    """Posts webhooks from many connections for as long as it is let, and remembers what was answered."""

    def __init__(self, installation: Installation, senders: int = 16) -> None:
        self._to = installation
        self._senders = senders
        self._numbers: Iterator[int] = iter(range(1, 10_000_000))
        self.sent: set[str] = set()
        self.accepted: set[str] = set()
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
                key, body = comment_created(next(self._numbers))
                self.sent.add(key)
                try:
                    answer = await client.post(self._to.webhook_url, content=body, headers=signature(body))
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
                    continue
                self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
                if answer.status_code == httpx.codes.NO_CONTENT:
                    self.accepted.add(key)
                elif "retry-after" not in answer.headers:
                    self.retry_after_missing += 1
