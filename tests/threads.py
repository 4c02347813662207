"""A thread with an event loop of its own, for what a test talks to from outside."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop


def begin(main: Callable[[], Coroutine[Any, Any, None]], up: threading.Event) -> threading.Thread:
    """Run it in a thread until it ends.

    Args:
        main: Sets the event once it can be talked to.
        up: Set at its end too, so that nobody waits for what failed.
    """

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(main())
        finally:
            up.set()

    thread = threading.Thread(target=run)
    thread.start()
    return thread
