"""`rollcall reconcile`, killed by SIGKILL at a named point: `python -m tests.reconcile.kill_child POINT ARGUMENTS…`.

A point is ``before`` or ``after`` with a function of `reconcile.run`, or with ``replace``: the step that puts the new
watermark in the old one's place.
"""

import inspect
import os
import signal
import sys
from pathlib import Path
from typing import Any

from reconcile import run

from .commandline import app
from .site import keep_the_sites_clock


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(when: str, name: str) -> None:
    """Have the process die as it comes to the point."""
    owner: Any = Path if name == "replace" else run
    right = getattr(owner, name)

    async def reached_later(*given: Any, **more: Any) -> Any:
        if when == "before":
            die()
        await right(*given, **more)
        die()

    def reached(*given: Any, **more: Any) -> Any:
        if name == "replace" and not str(given[-1]).endswith(".watermark"):
            return right(*given, **more)
        if when == "before":
            die()
        right(*given, **more)
        die()
        return None

    setattr(owner, name, reached_later if inspect.iscoroutinefunction(right) else reached)


if __name__ == "__main__":
    keep_the_sites_clock()
    arm(sys.argv[1], sys.argv[2])
    app(sys.argv[3:])
