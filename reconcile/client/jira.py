"""The client: one place that sends requests and decides what is tried again.

The decision rests on the status alone: a body may be Jira's JSON, a gateway's HTML or nothing. Redirects are never
followed and no host out of an answer is ever asked, so the token goes to the configured address only.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec
import stamina

from reconcile.client.endpoints import Endpoint
from reconcile.client.errors import JiraRefusedError, JiraUnavailableError
from reconcile.client.patience import Patience, asked_for
from reconcile.client.refusal import refusal
from reconcile.client.tally import Tally
from rollcall.half_pairs import without_half_pairs
from rollcall.logs import logger

log = logger(__name__)
_T = TypeVar("_T")

_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""409 is what /users/search answers when it took too long (OpenAPI file)."""

_AGAIN_ALWAYS = frozenset({429})
"""Refused before anything was done, so that even what must not be done twice may be sent again."""

Query = Mapping[str, str | int | bool | list[str]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How the client treats Jira and itself.

    Attributes:
        concurrency: Requests in flight.
        attempts: Tries of one request.
        wait_max: Longest pause in seconds that Jira may ask for.
        patience: How long to pause otherwise.
        pace: How much of each pause is really waited; tests hurry.
    """

    concurrency: int = 6
    attempts: int = 8
    wait_max: float = 3900.0
    patience: Patience = field(default_factory=Patience)
    pace: float = 1.0


class _AgainError(Exception):
    """A failure after which the request is sent again."""

    def __init__(self, what: str, seconds: float, reason: str) -> None:
        super().__init__(what)
        self.seconds = seconds
        self.reason = reason


class JiraClient:
    """Asks one Jira site. Belongs to one event loop.

    Args:
        http: Sends the requests; its base URL and credentials are those of the site.
        limits: How patient and how fast.
        secret: The token, never to be quoted in an error.
    """

    def __init__(self, http: httpx.AsyncClient, limits: Limits, secret: str = "") -> None:
        self.tally = Tally()
        self._http = http
        self._limits = limits
        self._secret = secret
        self._slots = asyncio.Semaphore(limits.concurrency)

    async def ask(
        self, endpoint: Endpoint, *names: str | int, query: Query | None = None, body: Mapping[str, Any] | None = None
    ) -> bytes:
        """Send a request, again where that may help, and return the body of the answer.

        Args:
            endpoint: What to ask.
            names: What to put in place of the path's names in braces.
            query: Query parameters.
            body: JSON body.

        Raises:
            NotThereError: 404.
            JiraRefusedError: Any other answer that asking again would not change.
            JiraUnavailableError: No answer after the last try, or Jira asks for too long a pause.
        """
        path = _filled(endpoint.path, names)

        @stamina.retry(on=self._pauses(), attempts=self._limits.attempts, timeout=None)
        async def patiently() -> bytes:
            return await self._once(endpoint, path, query, body)

        try:
            return await patiently()
        except _AgainError as error:
            raise JiraUnavailableError(
                f"{endpoint.name}: {error}, {self._limits.attempts} times over; try later with --resume"
            ) from error

    async def read(self, wanted: type[_T], endpoint: Endpoint, *names: str | int, **request: Any) -> _T:
        """Send a request as `ask` does and decode the answer.

        Raises:
            JiraRefusedError: Also when the answer is no JSON of this shape.
        """
        return decoded(wanted, endpoint, await self.ask(endpoint, *names, **request))

    async def _once(self, endpoint: Endpoint, path: str, query: Query | None, body: Mapping[str, Any] | None) -> bytes:
        request = self._http.build_request(
            endpoint.method,
            path,
            params=_params(query) if query else None,
            content=msgspec.json.encode(body) if body is not None else None,
            headers={"content-type": "application/json"} if body is not None else None,
        )
        async with self._slots:
            self.tally.asked(endpoint.name)
            try:
                answer = await self._http.send(request)
            except (httpx.RequestError, OSError) as error:  # OSError: httpx lets some errors of TLS through
                unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
                if not (endpoint.repeatable or unsent):
                    raise JiraUnavailableError(
                        f"{endpoint.name}: {type(error).__name__}; it may or may not have been done"
                    ) from error
                # Only the kind: the error's text may hold an address with names.
                raise _AgainError(f"no answer ({type(error).__name__})", 0.0, "connection") from error
        if answer.is_success:
            return answer.content
        if answer.status_code in (_AGAIN if endpoint.repeatable else _AGAIN_ALWAYS):
            raise self._put_off(endpoint, answer)
        raise refusal(endpoint, answer.status_code, answer.content, self._secret)

    def _put_off(self, endpoint: Endpoint, answer: httpx.Response) -> _AgainError:
        asked = asked_for(answer.status_code, answer.headers)
        if asked.seconds > self._limits.wait_max:
            raise JiraUnavailableError(
                f"{endpoint.name}: Jira answers {answer.status_code} ({asked.reason}) and asks to wait "
                f"{asked.seconds / 60:.0f} minutes, longer than reconcile.wait_max; try later with --resume"
            )
        return _AgainError(f"Jira answers {answer.status_code}", asked.seconds, asked.reason)

    def _pauses(self) -> Callable[[Exception], bool | float]:
        """Return the hook for one request: how many seconds to wait after a failure, or False to give up at once."""
        tries = 0

        def pause(error: Exception) -> bool | float:
            nonlocal tries
            if not isinstance(error, _AgainError):
                return False
            tries += 1
            seconds = self._limits.patience.pause(tries, error.seconds)
            if tries < self._limits.attempts:
                self.tally.waited(error.reason, seconds)
                log.debug("waiting before asking Jira again", seconds=round(seconds, 1), why=error.reason)
            return seconds * self._limits.pace

        return pause


def decoded(wanted: type[_T], endpoint: Endpoint, content: bytes) -> _T:
    """Decode an answer.

    Raises:
        JiraRefusedError: It is no JSON of this shape, or nested too deep; nothing of it is quoted.
    """
    try:
        return msgspec.json.decode(content, type=wanted)
    except msgspec.ValidationError as error:
        raise JiraRefusedError(f"{endpoint.name}: Jira's answer has an unknown form ({error})") from None
    except RecursionError:
        raise JiraRefusedError(f"{endpoint.name}: the answer is nested deeper than any of Jira's") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        mended = without_half_pairs(content)
        if mended != content:
            return decoded(wanted, endpoint, mended)
        raise JiraRefusedError(
            f"{endpoint.name}: the answer is no JSON; is the site's url that of a Jira Cloud site?"
        ) from None


def _filled(path: str, names: tuple[str | int, ...]) -> str:
    for name in names:
        before, _, rest = path.partition("{")
        path = before + quote(str(name), safe="") + rest.partition("}")[2]
    return path


def _params(query: Query) -> httpx.QueryParams:
    return httpx.QueryParams({name: [_text(one) for one in _listed(value)] for name, value in query.items()})


def _listed(value: str | int | bool | list[str]) -> list[str | int | bool]:
    return [*value] if isinstance(value, list) else [value]


def _text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
