"""The lookback: how far back a site's days are read beyond those of each run, once, so that seats can be judged.

Nobody is called idle for days that were never read. So when the default window is whole, the days before it are read,
back to the longest threshold of `seats`: newest first, each time as many as are read by then, since every span lists
all issues that moved since its beginning.
"""

from datetime import datetime, time, timedelta

from reconcile.run import RunOptions
from reconcile.state.run_state import state_folder
from reconcile.state.watermark import is_of_settings, read_watermark
from reconcile.state.window import WindowRequest
from rollcall.settings import Settings


def next_span(settings: Settings, name: str) -> RunOptions | None:
    """Return the run that reads a site further back than each run does; None where there is nothing left to read.

    There is none either until the default window was read whole, and where runs have no folder to remember it in. A
    span that is not through, such as where the search failed, is the next one again; what failed of single issues is
    named in the run, and does not keep the next from going further back.

    Args:
        settings: The settings.
        name: Name of the site in them.
    """
    folder = state_folder(settings)
    read = read_watermark(folder, name) if folder else None
    if read is None or not read.read_since or not is_of_settings(read, settings, name):
        return None
    zone = settings.sites[name].zone()
    # Jira's present, as the last run had it.
    first, today = (datetime.fromtimestamp(at / 1000, zone).date() for at in (read.read_since, read.issues))
    wanted = today - timedelta(days=settings.seats.longest_idle_days - 1)
    if first <= wanted:
        return None
    known = max((today - first).days + 1, 1)
    begin, end = (datetime.combine(day, time()) for day in (max(wanted, first - timedelta(days=known)), first))
    return RunOptions(window=WindowRequest(since=begin, until=end), parts=("activity",))
