"""Answers kept for a moment: one load for many viewers, and no trouble kept."""

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
    kept: Cache[str, str] = Cache(load, 60)
    viewers = [asyncio.create_task(kept.get("a")) for _ in range(20)]
    await asyncio.sleep(0)
    viewers[0].cancel()
    load.gate.set()
    answers = await asyncio.gather(*viewers, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert set(answers[1:]) == {"a1"}
    assert await kept.get("a") == "a1"
    assert load.loads == ["a"]


async def test_what_is_old_is_loaded_again() -> None:
    load = Loader()
    kept: Cache[str, str] = Cache(load, 0)
    assert [await kept.get("a"), await kept.get("a"), await kept.get("b")] == ["a1", "a2", "b3"]


async def test_trouble_is_told_to_all_who_wait_and_not_kept() -> None:
    load = Loader()
    load.trouble = ValueError("away")
    kept: Cache[str, str] = Cache(load, 60)
    answers = await asyncio.gather(*(kept.get("a") for _ in range(3)), return_exceptions=True)
    assert answers == [load.trouble] * 3
    load.trouble = None
    assert await kept.get("a") == "a2"


async def test_no_more_is_kept_than_allowed() -> None:
    load = Loader()
    kept: Cache[str, str] = Cache(load, 60, most=3)
    for key in "abcad":
        await kept.get(key)
    for key in "acd":
        await kept.get(key)
    assert load.loads == ["a", "b", "c", "d"], "b, asked for longest ago, made room for d"
