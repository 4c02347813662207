"""What asks a process to stop."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from console.process import stop_on_signals


@pytest.fixture(autouse=True)
def hangup() -> Iterator[None]:
    """See that an unhandled one does not end the tests."""
    before = signal.signal(signal.SIGHUP, lambda *_: None)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_asks_for_the_stop(number: signal.Signals) -> None:
    async def main() -> None:
        stop = stop_on_signals()
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stop.wait(), 10)

    asyncio.run(main())


def test_under_nohup_a_closed_terminal_is_nothing() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def main() -> bool:
        stop = stop_on_signals()
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.05)
        return stop.is_set()

    assert not asyncio.run(main())
