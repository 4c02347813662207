"""What an independent client learns over REST is what the truth says REST knows: keys, actors and times."""

import httpx
import pytest

from simulator import SiteConfig
from simulator.life.truth import truth
from simulator.rest.site import Site

from .conftest import NOW, client_of
from .walk import rest_facts

pytestmark = pytest.mark.anyio


def rest_truth(config: SiteConfig, now: int) -> dict[str, tuple[str, int]]:
    found = truth(config, since=0, until=now + 1, now=now)
    return {fact.event_key: (fact.rest_actor, fact.rest_at) for fact in found if fact.rest_at is not None}


async def test_rest_tells_the_truth(config: SiteConfig, client: httpx.AsyncClient) -> None:
    assert await rest_facts(client) == rest_truth(config, config.now_ms)


async def test_rest_forgets_what_later_acts_overwrite() -> None:
    config = SiteConfig(seed=9, people=10, days=4, now_ms=NOW)
    site = Site(config)
    before = rest_truth(config, config.now_ms)
    site.clock.advance(2 * 86_400_000)
    after = rest_truth(config, site.clock.now())
    assert set(before) - set(after), "two days pass, and something is edited or deleted"
    async with client_of(site) as client:
        assert await rest_facts(client) == after


async def test_a_site_whose_comment_deletions_are_anonymous(config: SiteConfig) -> None:
    silent = SiteConfig(seed=3, people=12, days=5, now_ms=config.now_ms, comment_id_in_history=False)
    async with client_of(Site(silent)) as client:
        told = await rest_facts(client)
    assert told == rest_truth(silent, silent.now_ms)
    assert not any(key.startswith("comment:") and key.endswith(":deleted") for key in told)
