"""What goes on side by side ends only when it is told to, or is seen to end at once."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from structlog.testing import capture_logs

from console import process
from console.process import in_background, run_until_first, watched
from rollcall.errors import RollcallError
from rollcall.logs import kind_and_place

pytestmark = pytest.mark.anyio


async def failing() -> None:
    raise KeyError("text of an issue")


async def returning() -> None:
    return


async def cancelled() -> None:
    """Wait for something that somebody else cancels."""
    other = asyncio.get_running_loop().create_future()
    other.cancel()
    await other


async def for_ever() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("ending", "cause"), [(failing, "KeyError"), (returning, "it returned"), (cancelled, "CancelledError")]
)
async def test_what_ends_is_told_at_once_and_begun_again(
    monkeypatch: pytest.MonkeyPatch, ending: Callable[[], Coroutine[Any, Any, None]], cause: str
) -> None:
    monkeypatch.setattr(process, "_AGAIN_SECONDS", 0.01)
    rounds = 0

    async def upkeep() -> None:
        nonlocal rounds
        rounds += 1
        await (for_ever() if rounds > 2 else ending())

    with capture_logs() as lines:
        async with asyncio.timeout(10), in_background(other=for_ever, upkeep=upkeep):
            while rounds < 3:
                await asyncio.sleep(0.005)
    assert [(line["log_level"], line["what"], line["cause"].split(" in ")[0]) for line in lines] == [
        ("error", "upkeep", cause)
    ] * 2


async def test_the_end_of_the_block_is_the_end_of_all() -> None:
    ended: list[str] = []

    async def noting() -> None:
        try:
            await for_ever()
        finally:
            ended.append("noting")

    with capture_logs() as lines:
        async with in_background(noting=noting, pausing=failing):
            await asyncio.sleep(0.01)
    assert ended == ["noting"]
    assert len(lines) == 1  # of what failed; that was pausing when the end came


async def test_a_part_whose_end_ends_the_process_is_told_before_the_others_have_ended() -> None:
    stop = asyncio.Event()

    async def slow() -> None:
        await stop.wait()
        assert [line["what"] for line in lines] == ["failing"]

    with capture_logs() as lines, pytest.raises(KeyError):
        await run_until_first(stop, slow(), failing())
    assert [(line["what"], line["log_level"]) for line in lines] == [("failing", "error")]


async def test_errors_on_purpose_are_told_by_the_command_alone() -> None:
    async def refusing() -> None:
        raise RollcallError("no such site")

    with capture_logs() as lines:
        for part in (refusing(), returning()):
            await asyncio.wait({watched("a part", part)})
    assert lines == []


def test_an_error_is_named_by_kind_and_place_and_never_quoted() -> None:
    assert kind_and_place(ExceptionGroup("hush", [KeyError("hush")])) == "KeyError"
    with pytest.raises(KeyError) as caught:
        asyncio.run(run_until_first(asyncio.Event(), failing()))
    assert kind_and_place(caught.value).startswith("KeyError in console.process:")
