"""A run in a process of its own, to be killed: `python -m tests.reconcile.child URL FOLDER resume|anew`."""

import asyncio
import sys
from pathlib import Path

from reconcile.run import RunOptions

from .backfilling import reconcile
from .site import keep_the_sites_clock, settings_for

if __name__ == "__main__":
    url, folder, how = sys.argv[1:]
    keep_the_sites_clock()
    options = RunOptions(parts=("activity",))
    asyncio.run(reconcile(settings_for(url, Path(folder)), options, resume=how == "resume"))
