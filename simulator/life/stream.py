"""All acts of the site in order of time, made while they are read.

In memory at a time: what the issues already born will still see, packed into bytes, which grows with people and acts
a day and with nothing else (about 250 bytes for each act of two busy days); and one hour of it unpacked.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from simulator.config import DAY_MS, SiteConfig
from simulator.life.act import Act
from simulator.life.birth import LIFE_DAYS, Birth, born_on, first_day, live_births, special_births
from simulator.life.lifecycle import lifecycle

_HOUR_MS = 3_600_000


def acts(config: SiteConfig, since: int | None = None, until: int | None = None) -> Iterator[Act]:
    """Yield the acts from ``since`` (default: the first of all) to before ``until`` (default: without end).

    Times are epoch ms. Any span can be computed again, and gives the same acts.
    """
    births = sorted(special_births(config), key=lambda birth: birth.at)
    # The first local day begins in the eastern zones while UTC still has the day before.
    begin = min([(first_day(config) - 1) * DAY_MS, *(birth.at for birth in births)])
    since = begin if since is None else max(since, begin)
    day = since // DAY_MS
    ahead = _Schedule(config, since)
    ahead.add(births)
    for local_day in range(max(first_day(config), day - LIFE_DAYS - 1), day + 1):
        ahead.add(born_on(config, local_day))
    ahead.add(live_births(config, since - _HOUR_MS, day * DAY_MS))
    while until is None or day * DAY_MS < until:
        # The eastern zones begin a day before UTC does, so the next local day may already reach into this one.
        if day + 1 >= first_day(config):
            ahead.add(born_on(config, day + 1))
        for hour in range(day * 24, day * 24 + 24):
            ahead.add(live_births(config, max(since - _HOUR_MS, hour * _HOUR_MS), (hour + 1) * _HOUR_MS))
            for act in ahead.hour(hour):
                if until is not None and act.at >= until:
                    return
                yield act
        day += 1


class _Schedule:
    """The acts of the hours to come, packed."""

    def __init__(self, config: SiteConfig, since: int) -> None:
        self._config = config
        self._since = since
        self._hours: dict[int, list[bytes]] = defaultdict(list)
        self._pack = msgspec.msgpack.Encoder().encode
        self._unpack = msgspec.msgpack.Decoder(list[Act]).decode

    def add(self, births: Iterable[Birth]) -> None:
        """Add the acts of these issues."""
        for birth in births:
            hours: dict[int, list[Act]] = {}
            for act in lifecycle(self._config, birth):
                if act.at >= self._since:
                    hours.setdefault(act.at // _HOUR_MS, []).append(act)
            for hour, found in hours.items():
                self._hours[hour].append(self._pack(found))

    def hour(self, hour: int) -> list[Act]:
        """Remove and return an hour's acts, in order."""
        found = [act for packed in self._hours.pop(hour, ()) for act in self._unpack(packed)]
        found.sort(key=lambda act: (act.at, act.issue.id, act.seq))
        return found
