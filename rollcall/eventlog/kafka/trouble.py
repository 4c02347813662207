"""What goes wrong with a broker, in the words of this project, and never for longer than a bound."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.errors import KafkaError

from rollcall.errors import LogUnavailableError

_LONGEST = 300
"""Characters of a client's error text that are passed on."""


def unavailable(doing: str, error: BaseException) -> LogUnavailableError:
    """Return the error to raise for one of the client's."""
    said = str(error).strip().splitlines()
    return LogUnavailableError(f"Kafka failed at {doing}: {(said[0] if said else type(error).__name__)[:_LONGEST]}")


@asynccontextmanager
async def within(seconds: float, doing: str) -> AsyncIterator[None]:
    """Run the body for at most so many seconds.

    Raises:
        LogUnavailableError: It took longer, or the client raised an error of Kafka's or of the network's.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise LogUnavailableError(f"Kafka took longer than {seconds:g} s for {doing}") from None
    except (KafkaError, OSError) as error:
        raise unavailable(doing, error) from error
