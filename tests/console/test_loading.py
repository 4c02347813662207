"""What a command does without is not loaded."""

import subprocess
import sys

LOADED = "import sys, console.main; print('chdb' in sys.modules)"


def test_the_embedded_engine_is_loaded_only_by_who_opens_it() -> None:
    """It takes 200 MB of memory in `rollcall ingest`, which has no use for it."""
    told = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout == "False\n"


STARTED = """
import gc, sys
from console.__main__ import main

begun = gc.get_stats()[0]["collections"]
sys.argv = ["rollcall", "--version"]
try:
    main()
except SystemExit:
    print(gc.isenabled(), gc.get_freeze_count() > 10_000, gc.get_stats()[0]["collections"] - begun < 50)
"""


def test_the_garbage_collector_pauses_while_modules_load_and_no_longer() -> None:
    """It would look through them hundreds of times."""
    told = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.splitlines()[1:] == ["True True True"]
