"""Answers kept for a moment, so that many looks at the page cost the warehouse one query."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Loads values by key and keeps each for some seconds; those who ask for one being loaded share the load.

    An error is given to all who waited for it and is not kept.

    Args:
        load: Makes the value of a key.
        seconds: How long a value is kept.
        most: How many values are kept at once; the one asked for longest ago goes first.
    """

    def __init__(self, load: Callable[[K], Awaitable[V]], seconds: float, most: int = 64) -> None:
        self._load = load
        self._seconds = seconds
        self._most = most
        self._entries: OrderedDict[K, tuple[float, asyncio.Future[V]]] = OrderedDict()

    async def get(self, key: K) -> V:
        """Return the value of a key. Raises what loading raises."""
        now = asyncio.get_running_loop().time()
        kept = self._entries.get(key)
        if kept is None or now >= kept[0]:
            kept = self._begin(key)
        self._entries.move_to_end(key)
        return await asyncio.shield(kept[1])  # one viewer who leaves must not spoil it for the others

    def _begin(self, key: K) -> tuple[float, "asyncio.Future[V]"]:
        loading = asyncio.ensure_future(self._load(key))
        loading.add_done_callback(lambda future: self._loaded(key, future))
        entry = (float("inf"), loading)
        self._entries[key] = entry
        while len(self._entries) > self._most:
            self._entries.popitem(last=False)
        return entry

    def _loaded(self, key: K, future: "asyncio.Future[V]") -> None:
        kept = self._entries.get(key)
        failed = future.cancelled() or future.exception() is not None
        if kept is None or kept[1] is not future:
            return
        if failed:
            del self._entries[key]
        else:
            self._entries[key] = (future.get_loop().time() + self._seconds, future)
