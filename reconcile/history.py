"""The history of a site: how far back its days are read beyond those of each run, once, so that seats can be judged.

Nobody is called idle for days that were never read. So when the default window is whole, the days before it are read,
back to the longest threshold of `seats`: newest first, each time as many as are read by then, since every span lists
all issues that moved since its beginning.
"""

from datetime import datetime, time, timedelta

from reconcile.run import RunOptions
from reconcile.state.run_state import state_folder
from reconcile.state.watermark import Watermark, is_of_settings, read_watermark
from reconcile.state.window import WindowRequest
from rollcall.clock import now_ms
from rollcall.settings import Settings


def next_span(settings: Settings, name: str, now: int | None = None) -> RunOptions | None:
    """Return the run that reads a site further back than each run does; None where there is nothing left to read.

    There is none either until the default window was read whole, and where runs have no folder to remember it in. A
    span that is not through, such as where the search failed, is the next one again; what failed of single issues is
    named in the run, and does not keep the next from going further back.

    Args:
        settings: The settings.
        name: Name of the site in them.
        now: The present, epoch ms; this machine's unless given.
    """
    folder = state_folder(settings)
    watermark = read_watermark(folder, name) if folder else None
    if watermark is None or not watermark.read_since or not is_of_settings(watermark, settings, name):
        return None
    return _before(settings, name, watermark, now_ms() if now is None else now)


def _before(settings: Settings, name: str, watermark: Watermark, now: int) -> RunOptions | None:
    zone = settings.sites[name].zone()
    first, today = (datetime.fromtimestamp(at / 1000, zone).date() for at in (watermark.read_since, now))
    wanted = today - timedelta(days=settings.seats.longest_idle_days - 1)
    if first <= wanted:
        return None
    known = max((today - first).days + 1, 1)
    begin, end = (datetime.combine(day, time()) for day in (max(wanted, first - timedelta(days=known)), first))
    return RunOptions(window=WindowRequest(since=begin, until=end), parts=("activity",))
