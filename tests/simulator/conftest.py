"""A small company, its site, and a client that asks it without a network."""

from collections.abc import AsyncIterator

import httpx
import pytest

from simulator import SiteConfig
from simulator.rest.app import build_app
from simulator.rest.site import EMAIL, TOKEN, Site

NOW = 1_795_000_000_000
"""2026-11-18 in the late evening of UTC: a Wednesday."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def config() -> SiteConfig:
    return SiteConfig(seed=11, people=26, days=12, now_ms=NOW, hard_cases=True, caller_zone="Asia/Kolkata")


@pytest.fixture
def site(config: SiteConfig) -> Site:
    return Site(config)


def client_of(site: Site, prefix: str = "") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=build_app(site))
    base = f"http://127.0.0.1{prefix}"
    return httpx.AsyncClient(transport=transport, base_url=base, auth=(EMAIL, TOKEN))


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(site) as opened:
        yield opened
