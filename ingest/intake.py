"""From a webhook's body to records that are durable on the log."""

import asyncio
import re
from collections.abc import Mapping
from typing import NamedTuple

from ingest.deadletters import FLOW, IDENTIFIER, letter
from ingest.refusal import RefusalError
from ingest.translate import event_label, translate
from rollcall.clock import now_ms
from rollcall.errors import LogUnavailableError, NotUnderstoodError
from rollcall.eventlog import EventLog, Record
from rollcall.logs import logger
from rollcall.records import encode
from rollcall.topics import Topics

Headers = Mapping[bytes, bytes]
"""Headers as the server has them, names in lower case; when one comes twice, the last counts."""

_log = logger(__name__)
_FLOW = FLOW.encode()
_IDENTIFIER = IDENTIFIER.encode()
_NOT_PLAIN = re.compile(r"[^\w.:-]", re.ASCII)


class Taken(NamedTuple):
    """What a webhook that is durably kept came to: its event's name and outcome, for counting."""

    event: str
    outcome: str


class Intake:
    """Turns bodies into facts or dead letters and puts them on the log."""

    def __init__(self, log: EventLog, topics: Topics, append_timeout: float) -> None:
        self._log = log
        self._topics = topics
        self._append_timeout = append_timeout

    async def take(self, site: str, body: bytes, headers: Headers) -> Taken:
        """Keep a webhook that its signature vouches for; when this returns, what it told is durable.

        Args:
            site: Name of the Jira site in the settings.
            body: Its body.
            headers: Its headers.

        Raises:
            RefusalError: The log cannot take it now (503).
        """
        received_at = now_ms()
        try:
            told = translate(site, body, headers.get(_FLOW, b"").decode("latin-1"), received_at)
            records = [Record(encode(fact), fact.event_key.encode()) for fact in told.facts]
        except NotUnderstoodError as error:
            return await self._bury(site, body, headers, error, received_at)
        except Exception as error:  # a mistake of ours must not lose what Jira sent
            name = type(error).__name__
            fault = NotUnderstoodError("fault", f"Rollcall failed on this payload with {name}; please report it.")
            return await self._bury(site, body, headers, fault, received_at)
        if records:
            await self._append(self._topics.activity.name, records)
        return Taken(told.event, told.outcome)

    async def _bury(
        self, site: str, body: bytes, headers: Headers, error: NotUnderstoodError, received_at: int
    ) -> Taken:
        texts = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
        kept = letter(site, body, texts, error, received_at)
        await self._append(self._topics.deadletter.name, [Record(encode(kept), kept.letter_id.encode())])
        _log.warning(
            "webhook kept as a dead letter",
            site=site,
            reason=error.reason,
            detail=error.detail,
            letter=kept.letter_id,
            delivery=short_identifier(headers),
        )
        return Taken(event_label(body), "dead_letter")

    async def _append(self, topic: str, records: list[Record]) -> None:
        try:
            async with asyncio.timeout(self._append_timeout):
                await self._log.append(topic, records)
        except TimeoutError:
            raise RefusalError(503, "log_timeout") from None
        except LogUnavailableError as error:
            raise RefusalError(503, "log_unavailable", str(error)) from None
        except Exception as error:  # whatever it is, Jira must send again
            raise RefusalError(503, "log_failed", type(error).__name__) from error


def short_identifier(headers: Headers) -> str:
    """Return the delivery's identifier fit for a log line: anybody may have sent it, so short and plain."""
    return _NOT_PLAIN.sub("?", headers.get(_IDENTIFIER, b"")[:64].decode("latin-1"))
