"""Many connections: those whose clients left cost nothing, and a bound holds whoever keeps theirs open."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import Mock

import pytest

from console.sqldoor import DoorLimits
from console.sqldoor.door import Slots
from console.sqldoor.engine import Engine, QueryRun
from console.sqldoor.exceptions import QUERY_WAS_CANCELLED, DoorError
from console.sqldoor.request import QueryRequest
from rollcall.http.server import Peer

from .house import Door, House
from .test_limits import ENDLESS_STREAM, running, until

MOST = 8


def ask(door: Door, query: str = "SELECT 1") -> socket.socket:
    """Ask on a connection of its own."""
    client = socket.create_connection(("127.0.0.1", door.port), timeout=30)
    client.sendall(f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(query)}\r\n\r\n{query}".encode())
    return client


@contextmanager
def bounded(house: House, *, concurrent: int = 4) -> Iterator[Door]:
    with house.door(limits=DoorLimits(connections=MOST, concurrent=concurrent, wait_seconds=30)) as door:
        yield door


def test_an_idle_connection_makes_room(house: House) -> None:
    with bounded(house) as door, ExitStack() as stack:
        served = stack.enter_context(ask(door))
        assert served.recv(12) == b"HTTP/1.1 200"
        for _ in range(MOST - 1):
            stack.enter_context(socket.create_connection(("127.0.0.1", door.port)))
        time.sleep(1.5)  # one that is younger may be about to send
        with ask(door) as good:
            assert good.recv(12) == b"HTTP/1.1 200"
        while served.recv(1000):  # the oldest was closed for it
            pass


def test_who_keeps_all_of_them_busy_is_refused_at_once(house: House) -> None:
    with bounded(house, concurrent=1) as door, ExitStack() as stack:
        busy = [stack.enter_context(ask(door, ENDLESS_STREAM)) for _ in range(MOST)]
        time.sleep(1.5)
        with ask(door) as refused:
            answer = refused.recv(1000).lower()
            assert answer.startswith(b"http/1.1 503")
            assert b"\r\nretry-after: 1\r\n" in answer
            assert refused.recv(1) == b""
        busy[1].close()  # one that waits for its turn
        with ask(door) as waits:
            waits.settimeout(1)
            with pytest.raises(TimeoutError):
                waits.recv(1)
    until(lambda: running(house) == 0)


@contextmanager
def connected(number: int) -> Iterator[list[tuple[socket.socket, Peer]]]:
    """Clients, and what the door sees of each."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def pair() -> tuple[socket.socket, Peer]:
            client = stack.enter_context(socket.create_connection(listener.getsockname()))
            return client, Peer(stack.enter_context(listener.accept()[0]))

        yield [pair() for _ in range(number)]


def test_a_full_queue_of_clients_that_left_has_room() -> None:
    async def main() -> None:
        slots = Slots(DoorLimits(concurrent=1, waiting=2, wait_seconds=30))
        await slots.acquire(Peer())
        with connected(2) as pairs:
            waiting = [asyncio.create_task(slots.acquire(peer)) for _, peer in pairs]
            await asyncio.sleep(0)
            with pytest.raises(DoorError):
                await slots.acquire(Peer())
            for client, _ in pairs:
                client.close()
            good = asyncio.create_task(slots.acquire(Peer()))
            await asyncio.sleep(0)
            for task in waiting:
                task.cancel()
            slots.release()
            await good

    asyncio.run(main())


def test_a_request_that_waited_before_it_was_taken_waits_so_much_less() -> None:
    async def main() -> None:
        slots = Slots(DoorLimits(concurrent=1, wait_seconds=1.0))
        await slots.acquire(Peer())
        with connected(1) as [(client, peer)]:
            client.send(b"GET")
            await asyncio.sleep(0.8)
            assert peer.waited() == pytest.approx(0.8, abs=0.3)
            began = time.monotonic()
            with pytest.raises(DoorError):
                await slots.acquire(peer)
            assert time.monotonic() - began < 0.8

    asyncio.run(main())


def test_a_query_that_is_to_stop_before_it_began_never_begins() -> None:
    request = QueryRequest("SELECT 1", {}, {}, "", "TabSeparated", "", False, "", 0, "")
    engine = Mock(spec=Engine, limits=DoorLimits())
    engine.private = lambda error: error
    run = QueryRun(engine, request)

    async def main() -> None:
        stopping = asyncio.create_task(run.stop())
        await asyncio.sleep(0)
        run.start()
        await stopping

    asyncio.run(main())
    error = run.outcome.exception()
    assert isinstance(error, DoorError)
    assert error.code == QUERY_WAS_CANCELLED[0]
    engine.handle.assert_not_called()
