"""A warehouse in this process, as `up` holds it, and doors to it on real sockets."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from console.sqldoor import DoorLimits, create_door
from rollcall.http.server import serve
from rollcall.warehouse import Warehouse
from rollcall.warehouse.engines import Embedded

from ..facts import fact, fresh_warehouse, write

_T = TypeVar("_T")

_CLIENT = httpx.Client(trust_env=False, timeout=60)

DAYS = 40
"""Facts in the house: one a day and person."""


@dataclass(frozen=True)
class Door:
    """A door that is served."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, sql: str | bytes, /, **params: str) -> httpx.Response:
        """Send a query in the body."""
        return _CLIENT.post(self.url, params=params, content=sql)

    def text(self, sql: str, /, **params: str) -> str:
        """Return the answer of a query that goes well."""
        answer = self.ask(sql, **params)
        assert answer.status_code == 200, answer.text
        return answer.text

    def code(self, sql: str | bytes, /, **params: str) -> int:
        """Return ClickHouse's code of a query that is refused."""
        answer = self.ask(sql, **params)
        assert answer.status_code >= 400, answer.text[:500]
        code = int(answer.headers["X-ClickHouse-Exception-Code"])
        assert answer.text.startswith(f"Code: {code}. DB::Exception: ")
        return code


class House:
    """The process: an event loop in a thread, the warehouse and the doors in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self.warehouse: Warehouse

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do something in the process."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    @contextmanager
    def door(
        self,
        *,
        listen: str = "127.0.0.1:0",
        token: str = "",
        control_token: str = "",
        audit: bool = False,
        limits: DoorLimits | None = None,
    ) -> Iterator[Door]:
        """Serve a door, always on loopback whatever it believes of `listen`."""
        app = create_door(
            Embedded(self.folder / "warehouse"),
            listen=listen,
            token=token,
            control_token=control_token,
            unprotected=not token,
            audit=audit,
            limits=limits,
        )
        started, stop, ports = threading.Event(), asyncio.Event(), list[int]()

        def ready(port: int) -> None:
            ports.append(port)
            started.set()

        most = (limits or DoorLimits()).connections
        serving = asyncio.run_coroutine_threadsafe(
            serve(app, "127.0.0.1:0", drain_timeout=5.0, ready=ready, stop=stop, connections=most), self.loop
        )
        assert started.wait(30)
        try:
            yield Door(ports[0])
        finally:
            self.loop.call_soon_threadsafe(stop.set)
            serving.result(30)

    async def fill(self) -> None:
        """Write the facts."""
        facts = [
            fact(
                f"comment:{day}{person}:created",
                f"2026-{1 + day // 28:02}-{1 + day % 28:02}T12:00:00",
                account_id=person,
            )
            for day in range(DAYS)
            for person in ("anna", "ben")
        ]
        await write(self.warehouse, *facts)


@contextmanager
def open_house(folder: Path) -> Iterator[House]:
    """Hold a filled warehouse in a process of its own event loop."""
    house = House(folder)
    thread = threading.Thread(target=house.loop.run_forever)
    thread.start()
    opened = fresh_warehouse(folder)
    try:
        house.warehouse = house.run(opened.__aenter__())
        try:
            house.run(house.fill())
            yield house
        finally:
            house.run(opened.__aexit__(None, None, None))
    finally:
        house.loop.call_soon_threadsafe(house.loop.stop)
        thread.join()
        house.loop.close()
