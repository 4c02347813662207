"""The front's watch over its engine: when it is begun again."""

import asyncio
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from console.engine import engine_process
from console.engine.engine_process import EngineProcess
from rollcall.settings import Settings

pytestmark = pytest.mark.anyio


def settings(folder: Path) -> Settings:
    return Settings.model_validate({"warehouse_url": f"chdb://{folder}/warehouse", "log_url": f"sqlite://{folder}/log"})


async def pauses(
    watch: EngineProcess, stayed: Iterator[float], most: int, monkeypatch: pytest.MonkeyPatch
) -> list[float]:
    """The pauses between engines that end as soon as they have stayed for so many seconds, by a clock of their own."""
    found: list[float] = []
    stop = asyncio.Event()
    now = [1000.0]

    def begin() -> Any:
        up_since, now[0] = now[0], now[0] + next(stayed)
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        ended.set_result(1)
        return SimpleNamespace(
            ended=ended,
            error=None,
            passing=False,
            up_since=up_since,
            reason="exit 1",
            overdue=0,
            sql_url="",
            state_url="",
        )

    async def until(_: asyncio.Event, ended: object = None, seconds: float | None = None) -> None:
        if seconds is not None:
            found.append(seconds)
            if len(found) == most:
                stop.set()

    monkeypatch.setattr(engine_process, "_until", until)
    monkeypatch.setattr(engine_process, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(watch, "_begin", begin)
    await watch.run(stop)
    return found


async def test_pauses_grow_to_half_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = EngineProcess(settings(tmp_path))
    assert await pauses(watch, repeat(5.0), 9, monkeypatch) == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert "the last of 9 times" in watch.notices()[0].text
    await watch.close()


async def test_an_engine_that_stayed_is_begun_again_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = EngineProcess(settings(tmp_path))
    assert await pauses(watch, iter([1.0, 1.0, 1.0, 31.0, 1.0]), 5, monkeypatch) == [0.5, 1, 2, 0.5, 1]
    await watch.close()
