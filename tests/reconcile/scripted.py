"""A Jira of a few scripted answers, for what no well-behaved server sends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import httpx

from reconcile.client.jira_client import JiraClient, Limits, connected
from reconcile.client.retry import Backoff
from rollcall.settings import ReconcileSettings, SiteSettings

TOKEN = "a-very-secret-token"
ACME = SiteSettings.model_validate(
    {"url": "https://acme.atlassian.net", "email": "svc@acme.example", "api_token": TOKEN, "unsigned": True}
)

Step = httpx.Response | Exception


def page(body: Any, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Script:
    """Gives its answers in turn, the last one for ever, and notes what was asked and how long was waited."""

    steps: list[Step] = field(default_factory=list)
    asked: list[httpx.Request] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    by_path: dict[str, Callable[[httpx.Request], httpx.Response]] = field(default_factory=dict)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        for path, answer in self.by_path.items():
            if request.url.path.endswith(path):
                return answer(request)
        step = self.steps[0] if len(self.steps) == 1 else self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return httpx.Response(step.status_code, headers=step.headers, content=step.content)

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)


@asynccontextmanager
async def scripted(
    script: Script, site: SiteSettings = ACME, attempts: int = 6, wait_max: float = 3900.0
) -> AsyncIterator[JiraClient]:
    limits = Limits(attempts=attempts, wait_max=wait_max, backoff=Backoff(jitter=lambda: 1.0))
    real, ours = asyncio.sleep, asyncio.get_running_loop()

    async def sleep(seconds: float) -> None:
        """Wait for nothing on this loop, and as ever on that of a server that another test left in its thread."""
        await (script.sleep if asyncio.get_running_loop() is ours else real)(seconds)

    with mock.patch("asyncio.sleep", sleep):
        async with connected("acme", site, ReconcileSettings(), limits, httpx.MockTransport(script)) as client:
            yield client
