"""Answers cached for a moment: one load for many viewers, and no trouble cached."""

import asyncio

import pytest

from console.web.queries import Cache

pytestmark = pytest.mark.anyio


class Loader:
    def __init__(self) -> None:
        self.loads: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.trouble: Exception | None = None

    async def __call__(self, key: str) -> str:
        self.loads.append(key)
        await self.gate.wait()
        if self.trouble:
            raise self.trouble
        return f"{key}{len(self.loads)}"


async def test_many_viewers_share_a_load() -> None:
    load = Loader()
    load.gate.clear()
    cache: Cache[str, str] = Cache(load, 60)
    viewers = [asyncio.create_task(cache.get("a")) for _ in range(20)]
    await asyncio.sleep(0)
    viewers[0].cancel()
    load.gate.set()
    answers = await asyncio.gather(*viewers, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert set(answers[1:]) == {"a1"}
    assert await cache.get("a") == "a1"
    assert load.loads == ["a"]


async def test_what_is_old_is_loaded_again() -> None:
    load = Loader()
    cache: Cache[str, str] = Cache(load, 0)
    assert [await cache.get("a"), await cache.get("a"), await cache.get("b")] == ["a1", "a2", "b3"]


async def test_trouble_is_raised_to_all_who_wait_and_not_cached() -> None:
    load = Loader()
    load.trouble = ValueError("away")
    cache: Cache[str, str] = Cache(load, 60)
    answers = await asyncio.gather(*(cache.get("a") for _ in range(3)), return_exceptions=True)
    assert answers == [load.trouble] * 3
    load.trouble = None
    assert await cache.get("a") == "a2"


async def test_no_more_is_kept_than_allowed() -> None:
    load = Loader()
    cache: Cache[str, str] = Cache(load, 60, most=3)
    for key in "abcad":
        await cache.get(key)
    for key in "acd":
        await cache.get(key)
    assert load.loads == ["a", "b", "c", "d"], "b, asked for longest ago, made room for d"
