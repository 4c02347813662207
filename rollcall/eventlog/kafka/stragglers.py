"""Connections that are closed but not gone yet.

aiokafka closes politely and often without waiting for it. Polite takes the broker: to read what was sent, and with TLS
to say goodbye. A broker that hangs does neither, and uvloop at times forgets the TCP connection under a TLS one that
both sides close at once, then waits for it for ever when the event loop ends. Nothing is gained by it either, since
whatever matters was answered before. So connections are cut, and whoever ends waits until they are gone.
"""

import asyncio
from typing import Any
from weakref import WeakSet

import aiokafka.conn
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError

_PATIENCE = 1.0
_closing: set["asyncio.Future[None]"] = set()
_alive: "WeakSet[_Cut]" = WeakSet()


class _Cut(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka is not typed
    """A connection that is cut when it is closed."""

    def _create_reader_task(self) -> Any:
        _alive.add(self)
        return super()._create_reader_task()

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """Send a request. Raises KafkaConnectionError, also where uvloop raises RuntimeError: just after a reset."""
        try:
            return super().send(request, expect_response)
        except (NotImplementedError, KafkaError):  # KafkaError is a RuntimeError too
            raise
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {error}") from error

    def close(self, reason: Any = None, exc: Any = None) -> Any:
        """Close it; what is returned is done when it is gone."""
        transport = self._writer.transport if self._writer is not None else None
        gone = super().close(reason, exc)
        if transport is not None:
            transport.abort()
            if not gone.done():
                _closing.add(gone)
                gone.add_done_callback(_closing.discard)
        return gone


def cut_when_closed() -> None:
    """From now on cut every connection of aiokafka's in this process. Calling it again changes nothing."""
    aiokafka.conn.AIOKafkaConnection = _Cut


def cut_off(client: Any) -> None:
    """Cut all connections of a client, those it is only making too, and let it make no more."""

    async def none_for_you(*_: object, **__: object) -> None:
        """Say what the client says of a broker that cannot be reached."""

    client._get_conn = none_for_you
    for connection in list(_alive):
        if connection._on_close_cb == client._on_connection_closed:
            connection.close()


async def stragglers_gone() -> None:
    """Wait until the connections of this event loop that were closed are gone."""
    loop = asyncio.get_running_loop()
    if mine := {gone for gone in _closing if gone.get_loop() is loop}:
        await asyncio.wait(mine, timeout=_PATIENCE)
