"""What the demo says on stderr."""

import sys
from contextlib import suppress


def say(text: str) -> None:
    """Print a line, if there is still somebody to read it: a terminal that was closed must not stop the clean-up."""
    with suppress(OSError):
        print(f"rollcall: {text}", file=sys.stderr)
