"""What a command does without is not loaded."""

import subprocess
import sys

LOADED = "import sys, console.main; print('chdb' in sys.modules)"


def test_the_embedded_engine_is_loaded_only_by_who_opens_it() -> None:
    """It takes 200 MB of memory in `rollcall ingest`, which has no use for it."""
    told = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout == "False\n"
