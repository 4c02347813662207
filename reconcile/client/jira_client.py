"""The client: made from a site's settings, it sends requests and decides what is tried again.

The decision rests on the status, and with status 200 on whether the body is JSON: proxies send HTML or half an answer
in passing, so that from a site that has given a good answer before it is a failed try. Redirects are never followed and
no request ever goes to a host out of an answer, so the token goes to the configured address only; for a scoped token
that is the gateway's, with the site's cloud id.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import msgspec
import stamina

from reconcile.client.connection_errors import connection_cause
from reconcile.client.endpoints import MYSELF, TENANT_INFO, Endpoint
from reconcile.client.jira_errors import (
    AccountRefusedError,
    JiraError,
    JiraRefusedError,
    JiraUnavailableError,
    NoJsonError,
    account_refusal,
    content_of,
    decoded,
    jira_message,
    refusal,
)
from reconcile.client.retry import Backoff, Pauses, Stats, retry_after
from rollcall import __version__
from rollcall.errors import SettingsError
from rollcall.settings import Credentials, ReconcileSettings, SiteSettings

_T = TypeVar("_T")

_RETRIED = frozenset({408, 409, 425, 429})
"""And what servers fail with. 409 is what /users/search answers when it took too long (OpenAPI file)."""

_NEVER_ANOTHER = frozenset({501, 505})
"""Failures of a server that say that it cannot; every other passes, also those that only a proxy knows (520 to 530)."""

_ALWAYS_RETRIED = frozenset({429})
"""Refused before anything was done, so that even what must not be done twice may be sent again."""

_UNAVAILABLE = 503
_SUSPENDED = "open the site in a browser: it may be suspended, deactivated or in maintenance"
"""A suspended site answers 503 and an HTML page (reports)."""

_WHOLE_ANSWER = 4
"""Times the timeout that a whole answer may take; the timeout itself is for its next piece."""

Query = Mapping[str, str | int | bool | list[str]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How the client treats Jira and itself.

    Attributes:
        concurrency: Requests in flight.
        attempts: Tries of one request.
        wait_max: Longest pause in seconds that Jira may ask for.
        backoff: How long to pause otherwise.
        pace: How much of each pause is really waited; tests hurry.
        timeout: Seconds for one try; None for the settings' own.
        at_first: Limits until the first good answer, where those differ.
        wait_limit: What sets the longest pause, for errors.
    """

    concurrency: int = 6
    attempts: int = 8
    wait_max: float = 3900.0
    backoff: Backoff = field(default_factory=Backoff)
    pace: float = 1.0
    timeout: float | None = None
    at_first: "Limits | None" = None
    wait_limit: str = "reconcile.wait_max"


class _RetryError(Exception):
    """A failure after which the request is sent again."""

    def __init__(self, what: str, seconds: float, reason: str, remedy: str = "", *, limited: bool = False) -> None:
        super().__init__(what)
        self.limited = limited
        self.seconds = seconds
        self.reason = reason
        self.remedy = remedy


class JiraClient:
    """Asks one Jira site. Belongs to one event loop.

    Args:
        http: Sends the requests; its base URL and credentials are those of the site.
        limits: How patient and how fast.
        secret: The token, never to be quoted in an error; empty for a client that asks as nobody.
    """

    def __init__(self, http: httpx.AsyncClient, limits: Limits, secret: str = "") -> None:
        self.stats = Stats()
        self._known = False
        self._http = http
        self._limits = limits
        self._secret = secret
        self._date = ""
        self.pauses = Pauses()
        self._slots = asyncio.Semaphore(limits.concurrency)

    @property
    def present(self) -> int | None:
        """Jira's present as of its latest good answer, epoch ms to the second; None where that had no date."""
        try:
            return int(parsedate_to_datetime(self._date).timestamp() * 1000)
        except (TypeError, ValueError, OverflowError):
            return None

    @property
    def _now(self) -> Limits:
        return self._limits if self._known else self._limits.at_first or self._limits

    async def cloud_id(self) -> str:
        """Return the site's cloud id: as its address at the gateway has it, else as the site itself says.

        Raises:
            JiraError: It does not say, or says something that is none.
        """
        named = str(self._http.base_url).rstrip("/").partition(_BEHIND_GATEWAY)[2]
        found = named or (await self.read(_Tenant, TENANT_INFO)).cloud_id
        if not _CLOUD_ID.fullmatch(found):
            raise JiraRefusedError(
                "the site's cloud id has an unknown form; write the gateway's address into url instead"
            )
        return found

    @asynccontextmanager
    async def organization(self, url: str, key: str, settings: ReconcileSettings) -> AsyncIterator["JiraClient"]:
        """Open a client of the organization that the site belongs to; it counts and waits as this one does.

        Args:
            url: Where the organization is asked.
            key: Its API key.
            settings: How to ask.
        """
        async with _http(url, settings, Credentials("", key), None) as http:
            other = JiraClient(http, replace(self._limits, at_first=None), secret=key)
            other.stats, other.pauses = self.stats, self.pauses
            yield other

    async def ask(
        self,
        endpoint: Endpoint,
        *names: str | int,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
        attempts: int | None = None,
    ) -> bytes:
        """Send a request, again where that may help, and return the body of the answer.

        Args:
            endpoint: What to ask.
            names: What to put in place of the path's names in braces.
            query: Query parameters.
            body: JSON body.
            attempts: Tries in place of those in the limits, if fewer, for what a smaller request may cure; a 429 is
                about us and not about what was requested, and is waited for as ever.

        Raises:
            AccountRefusedError: Jira refuses the account: 401, or a login reason with whatever status.
            NotThereError: 404.
            JiraRefusedError: Any other answer that asking again would not change.
            JiraUnavailableError: No answer after the last try, or Jira asks for too long a pause.
        """
        return await self._tried(_Request(endpoint, names, query, body), bytes, attempts)

    async def read(
        self,
        kind: type[_T],
        endpoint: Endpoint,
        *names: str | int,
        attempts: int | None = None,
        **request: Any,
    ) -> _T:
        """Send a request as `ask` does and decode the answer.

        Raises:
            JiraRefusedError: Also when the answer has no such shape, or is no JSON and no good answer came before.
            JiraUnavailableError: Also when it still is no JSON after the last try.
        """

        def good(content: bytes) -> _T:
            found = decoded(kind, endpoint, content, self._secret)
            self._known = True
            return found

        return await self._tried(_Request(endpoint, names, **request), good, attempts)

    async def _tried(self, request: "_Request", read: Callable[[bytes], _T], attempts: int | None) -> _T:
        limits, name = self._now, request.endpoint.name
        tries = min(attempts or limits.attempts, limits.attempts)

        @stamina.retry(on=self._pauses(limits, tries), attempts=limits.attempts, timeout=None)
        async def with_retries() -> _T:
            answer = await self._once(request, limits)
            try:
                return read(answer)
            except NoJsonError:
                if not self._known:
                    raise
                raise _RetryError("an answer that is no JSON, or cut short", 0.0, "no-json") from None

        try:
            return await with_retries()
        except AccountRefusedError as error:
            if await self._is_only(request.endpoint, error):
                raise JiraRefusedError(str(error), error.status) from None
            raise
        except _RetryError as error:
            times = limits.attempts if error.limited else tries
            remedy = f"; {error.remedy}" if error.remedy else ""
            raise JiraUnavailableError(f"{name}: {error}, {times} times over{remedy}", limited=error.limited) from error

    async def _is_only(self, endpoint: Endpoint, error: AccountRefusedError) -> bool:
        """Return whether it is this endpoint only that answers 401, and not the account that is refused."""
        if error.login_failed or endpoint is MYSELF or not self._known:
            return False
        try:
            await self.ask(MYSELF)
        except JiraError:
            return False
        return True

    async def _once(self, request: "_Request", limits: Limits) -> bytes:
        endpoint = request.endpoint
        built = request.built(self._http, limits.timeout)
        async with self._slots:
            self.stats.count_request(endpoint.name)
            try:
                async with asyncio.timeout(_WHOLE_ANSWER * (limits.timeout or self._http.timeout.read or 0.0)):
                    answer = await self._http.send(built, stream=True)
                    content = await content_of(answer, endpoint)
            except (httpx.RequestError, OSError) as error:  # OSError: httpx lets some errors of TLS through
                cause = connection_cause(error, built.url)
                unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
                if not (endpoint.repeatable or unsent):
                    raise JiraUnavailableError(f"{endpoint.name}: {cause}; it may or may not have been done") from error
                raise _RetryError(f"no answer: {cause}", 0.0, "connection") from error
        if self._secret and (refused := account_refusal(endpoint, answer.status_code, answer.headers)):
            raise refused
        if answer.is_success:
            self._date = answer.headers.get("date", "")
            return content
        if _may_pass(answer.status_code) if endpoint.repeatable else answer.status_code in _ALWAYS_RETRIED:
            raise self._retry_later(endpoint, answer, content, limits)
        location = answer.extensions.get(_LOCATION, "")
        raise refusal(endpoint, answer.status_code, content, self._secret, location=location, known=self._known)

    def _retry_later(self, endpoint: Endpoint, answer: httpx.Response, content: bytes, limits: Limits) -> _RetryError:
        status = answer.status_code
        pause = retry_after(status, answer.headers)
        if pause.seconds > limits.wait_max:
            raise JiraUnavailableError(
                f"{endpoint.name}: Jira answers {status} ({pause.reason}) and asks to wait "
                f"{pause.seconds / 60:.0f} minutes, longer than {limits.wait_limit}; try later",
                limited=status in _ALWAYS_RETRIED,
            )
        words = jira_message(content, self._secret)
        remedy = f"it says: {words}" if words else "" if self._known or status != _UNAVAILABLE else _SUSPENDED
        limited = status in _ALWAYS_RETRIED
        return _RetryError(f"Jira answers {status}", pause.seconds, pause.reason, remedy, limited=limited)

    def _pauses(self, limits: Limits, attempts: int) -> Callable[[Exception], bool | float]:
        """Return the hook for one request: how many seconds to wait after a failure, or False to give up at once."""
        tries = failures = 0

        def pause(error: Exception) -> bool | float:
            nonlocal tries, failures
            if not isinstance(error, _RetryError):
                return False
            tries, failures = tries + 1, failures + (not error.limited)
            if failures >= attempts:
                return False
            seconds = limits.backoff.pause(tries, error.seconds)
            if tries < limits.attempts:
                self.stats.count_wait(error.reason, seconds)
                self.pauses.begins(self._http.base_url.host, str(error), error.reason, seconds)
            return seconds * limits.pace

        return pause


def _may_pass(status: int) -> bool:
    return status in _RETRIED or (status >= 500 and status not in _NEVER_ANOTHER)


@dataclass(frozen=True, slots=True)
class _Request:
    endpoint: Endpoint
    names: tuple[str | int, ...]
    query: Query | None = None
    body: Mapping[str, Any] | None = None

    def built(self, http: httpx.AsyncClient, timeout: float | None) -> httpx.Request:
        return http.build_request(
            self.endpoint.method,
            _filled(self.endpoint.path, self.names),
            params=_params(self.query) if self.query else None,
            content=msgspec.json.encode(self.body) if self.body is not None else None,
            headers={"content-type": "application/json"} if self.body is not None else None,
            timeout=httpx.USE_CLIENT_DEFAULT if timeout is None else timeout,
        )


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


_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_BEHIND_GATEWAY = "/ex/jira/"
_CLOUD_ID = re.compile(r"[0-9a-fA-F-]{8,64}", re.ASCII)


class _Tenant(msgspec.Struct, rename="camel"):
    cloud_id: str


def limits_of(settings: ReconcileSettings) -> Limits:
    """Return the client's limits as the settings have them."""
    return Limits(settings.concurrency, settings.attempts, settings.wait_max, Backoff.of(settings))


@asynccontextmanager
async def connected(
    name: str,
    site: SiteSettings,
    settings: ReconcileSettings,
    limits: Limits | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[JiraClient]:
    """Open a client for a site.

    Args:
        name: Name of the site in the settings, for errors.
        site: Its settings.
        settings: How to ask.
        limits: In place of those in the settings.
        transport: In place of the network.

    Raises:
        SettingsError: The settings have no e-mail or no API token, or no client can be made as they say.
        JiraError: A scoped token needs the site's cloud id, and the site does not give it.
    """
    given = site.credentials(name)
    if not given:
        raise SettingsError(
            f"sites.{name}: to ask Jira's REST API, set email and api_token_file (an API token of that account, "
            'from id.atlassian.com); for a service account api_token_type = "bearer", scoped_token = true and the file'
        )
    limits = limits or limits_of(settings)
    base = site.url
    if site.scoped_token and _BEHIND_GATEWAY not in base:
        async with _http(base, settings, None, transport) as anonymous:
            base = await _gateway(JiraClient(anonymous, replace(limits, attempts=min(limits.attempts, 4))), settings)
    async with _http(base, settings, given, transport) as http:
        yield JiraClient(http, limits, secret=given.token)


async def _gateway(anonymous: JiraClient, settings: ReconcileSettings) -> str:
    return f"{settings.gateway_url.rstrip('/')}{_BEHIND_GATEWAY}{await anonymous.cloud_id()}"


_LOCATION = "rollcall.location"


async def _set_aside_location(answer: httpx.Response) -> None:
    """Keep where a redirect leads from httpx, which reads it though it follows none, and fails where it is no URL."""
    answer.extensions[_LOCATION] = answer.headers.pop("location", "")


def _http(
    base: str,
    settings: ReconcileSettings,
    given: Credentials | None,
    transport: httpx.AsyncBaseTransport | None,
) -> httpx.AsyncClient:
    address = urlsplit(base)
    loopback = address.hostname in _LOOPBACK
    headers = {"accept": "application/json", "user-agent": f"rollcall/{__version__}"}
    if given and not given.email:
        headers["authorization"] = f"Bearer {given.token}"
    try:
        client = httpx.AsyncClient(
            base_url=base,
            auth=(given.email, given.token) if given and given.email else None,
            headers=headers,
            timeout=httpx.Timeout(settings.timeout, connect=min(15.0, settings.timeout)),
            limits=httpx.Limits(max_connections=settings.concurrency),
            follow_redirects=False,
            event_hooks={"response": [_set_aside_location]},
            trust_env=not loopback,
            # Reading the system's certificates takes a while. Here nothing speaks TLS, and if it did, none is trusted.
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if loopback and address.scheme == "http" else True,
            transport=transport,
        )
    except (httpx.InvalidURL, ImportError, OSError, ValueError) as error:
        # Only the kind: a proxy's address may hold a password.
        raise SettingsError(
            f"{base} cannot be asked ({type(error).__name__}): check that address and the environment's HTTPS_PROXY, "
            "ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR"
        ) from None
    # The token is sent with every request. A cookie of a login that has failed, or of a proxy, could only outlive it.
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
    return client
