"""End aiokafka's clients within a bound, whatever the brokers do.

Their own `stop` waits for the brokers: to take what is buffered, to answer what was asked, to close the connection.
A broker that hangs does none of that.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from aiokafka.errors import KafkaError

from rollcall.eventlog.kafka.stragglers import cut_off
from rollcall.logs import logger

_log = logger(__name__)
_FORCED_TRIES = 10
_FORCED_SECONDS = 0.2
_COORDINATORS_TASKS = ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task")
_GIVEN_UP = KafkaError("the log's client was closed before Kafka answered")


async def end_producer(producer: Any, patience: float) -> None:
    """Deliver what is buffered for at most `patience` seconds, then drop the rest; its appenders learn of it."""
    client, sender = producer.client, producer._sender
    tasks = [client._sync_task, sender.sender_task]
    if not await _stopped(producer.stop, patience):
        if sender.sender_task:
            # It would fail once more, on a transaction that there never was.
            sender.sender_task.remove_done_callback(sender._fail_all)
        accumulator = producer._message_accumulator
        for batches in accumulator._batches.values():
            accumulator._pending_batches.update(batches)  # where one that was tried before looks for itself
        accumulator.fail_all(_GIVEN_UP)
    await _force(client, tasks)


async def end_consumer(consumer: Any, patience: float) -> None:
    """Leave the group for at most `patience` seconds, then hang up; the brokers notice by the session's end."""
    before = _tasks_of(consumer)
    await _stopped(consumer.stop, patience)
    # A rejoin under way may have begun new ones meanwhile.
    await _force(consumer._client, {*before, *_tasks_of(consumer)})


def _tasks_of(consumer: Any) -> set["asyncio.Task[Any] | None"]:
    coordinator, fetcher = consumer._coordinator, consumer._fetcher
    tasks = {consumer._client._sync_task, *(getattr(coordinator, name, None) for name in _COORDINATORS_TASKS)}
    return tasks | {fetcher._fetch_task, *fetcher._pending_tasks} if fetcher else tasks


async def end_admin(admin: Any, patience: float) -> None:
    """Close an admin client."""
    tasks = [admin._client._sync_task]
    await _stopped(admin.close, patience)
    await _force(admin._client, tasks)


async def _stopped(stop: Callable[[], Coroutine[Any, Any, None]], patience: float) -> bool:
    # A task of its own, because aiokafka lets the cancellation of its own tasks out of `stop`.
    stopping = asyncio.create_task(stop())
    done, _ = await asyncio.wait({stopping}, timeout=patience)
    if not done:
        stopping.cancel()
        await asyncio.wait({stopping}, timeout=_FORCED_SECONDS)
        return False
    if stopping.cancelled():
        return False
    if error := stopping.exception():  # whatever was wrong with it, it is not needed any more
        _log.debug("a Kafka client ended badly", cause=repr(error))
    return error is None


async def _force(client: Any, tasks: Iterable["asyncio.Task[Any] | None"]) -> None:
    """Cut a client's connections and end its tasks: when it stopped as it should, there is nothing left to do.

    More than one try, because a task that is told to stop in the moment its request times out takes it for the answer.
    """
    cut_off(client)
    left = {task for task in tasks if task is not None and not task.done()}
    for _ in range(_FORCED_TRIES):
        if not left:
            break
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=_FORCED_SECONDS)
        for task in done:
            if not task.cancelled():
                task.exception()  # looked at, so that the event loop does not complain of it
    cut_off(client)
