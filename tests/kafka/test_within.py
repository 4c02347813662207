"""The bound of whatever is asked of the brokers. Needs none."""

import asyncio
from contextlib import suppress

import pytest

from rollcall.errors import LogUnavailableError
from rollcall.eventlog.kafka.brokers import within

pytestmark = pytest.mark.anyio


async def takes_a_cancellation_for_an_answer(times: int) -> None:
    for _ in range(times):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
    await asyncio.sleep(3600)


@pytest.mark.parametrize("times", [0, 1, 3])
async def test_it_ends_whatever_takes_a_cancellation_for_an_answer(times: int) -> None:
    async def ask() -> int:
        with pytest.raises(LogUnavailableError, match=r"Kafka took longer than 0\.1 s for looking"):
            async with within(0.1, "looking"):
                await takes_a_cancellation_for_an_answer(times)
        task = asyncio.current_task()
        return task.cancelling() if task else -1

    asking = asyncio.create_task(ask())
    ended, _ = await asyncio.wait({asking}, timeout=10)
    while not asking.done():
        asking.cancel()
        await asyncio.sleep(0.01)
    assert ended, "it waits for ever"
    assert asking.result() == 0


async def test_what_comes_together_with_the_cancellation_counts() -> None:
    async with within(0.1, "looking"):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
    await asyncio.sleep(0.5)  # nothing cancels what comes after it


async def test_one_who_cancels_is_heard() -> None:
    async def ask() -> None:
        async with within(3600, "looking"):
            await asyncio.sleep(3600)

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
