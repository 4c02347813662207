"""Who may query the SQL door: its token, made at the first start where the settings have none, and its guard."""

import hmac
import os
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from console.sqldoor.audit import Audit
from console.sqldoor.exceptions import AUTHENTICATION_FAILED, door_error
from console.sqldoor.request import url_parameters
from rollcall.errors import SettingsError
from rollcall.files import make_private_folder, read_secret_file, sync_folder
from rollcall.http.guard import Guard, Refusal, Throttle, basic_credentials
from rollcall.logs import RationedLog, logger
from rollcall.settings import Settings
from rollcall.warehouse.engines import Embedded, parse_warehouse_url

log = logger(__name__)

USER = "dashboards"
"""The user that clients are told to come as, which a ClickHouse server has too; the door takes any name."""


def door_token(settings: Settings) -> str:
    """Return the token of the SQL door: that of the settings, else of the file beside the warehouse, made when missing.

    Returns:
        It; empty where the settings say that nobody is asked for one, or there is no embedded warehouse.

    Raises:
        SettingsError: The file cannot be made or read.
    """
    address = parse_warehouse_url(settings.warehouse_url)
    if settings.sql_unprotected or not isinstance(address, Embedded):
        return ""
    if given := settings.sql_secret():
        return given
    try:
        make_private_folder(address.token_path.parent)
        with suppress(FileExistsError):
            _make(address)
        return read_secret_file("sql_token", address.token_path).strip()
    except OSError as error:
        raise SettingsError(
            f"sql_token: cannot make {address.token_path} ({error.strerror}); make the folder writable, or set a token"
        ) from None
    except ValueError as error:
        raise SettingsError(f"{error}; or remove the file, and the next start makes a new one") from None


def _make(address: Embedded) -> None:
    """Make the file, whole or not at all. Raises FileExistsError, OSError."""
    path = address.token_path
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(fresh, path)  # unlike a rename it never replaces what another start has made meanwhile
        sync_folder(path.parent)
    finally:
        fresh.unlink()


class Tokens:
    """The tokens that open the door, and how often others may be tried.

    Args:
        token: What clients know.
        control_token: What other commands of the same user know; empty for none. It cannot be guessed, so it opens also
            where others have tried too often from the same address.
        clock: Seconds, from any start.
    """

    def __init__(self, token: str, control_token: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._token = token.encode()
        self._control = control_token.encode()
        self._throttle = Throttle(clock)
        self._log = RationedLog(log)

    def require(self, headers: Headers, url: Mapping[str, str], address: str) -> None:
        """Let a request pass that brings one of the tokens, in any of the ways that ClickHouse knows.

        These are ``Authorization: Bearer``, the password of basic authentication (of any user), ``X-ClickHouse-Key``
        and ``password=`` in the URL.

        Args:
            headers: The request's headers.
            url: The URL's parameters.
            address: The client's.

        Raises:
            DoorError: None of the tokens is there, or too many wrong ones were tried.
        """
        given = (
            _authorized(headers.get("authorization", "")),
            headers.get("x-clickhouse-key", "").encode("latin-1"),
            url.get("password", "").encode("utf-8", "surrogateescape"),
        )
        if self._control and _among(given, self._control):
            return
        if seconds := self._throttle.wait(address):
            raise door_error(
                AUTHENTICATION_FAILED, f"{USER}: Authentication failed: too many wrong tokens, wait {seconds} seconds"
            )
        if _among(given, self._token):
            return
        if any(given):  # a client that brings none yet, as browsers and some drivers do at first, guesses nothing
            self._throttle.failed(address)
            self._log.warning("wrong token at the SQL door", {}, client=address)
        raise door_error(AUTHENTICATION_FAILED, f"{USER}: Authentication failed: the password is the door's token")


def _among(given: tuple[bytes, ...], token: bytes) -> bool:
    # Every one is compared, so that the time it takes gives nothing away.
    good = [hmac.compare_digest(one, token) for one in given]
    return any(good)


def _authorized(header: str) -> bytes:
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("latin-1")
    return basic_credentials(header)[1]


_REFUSALS = {
    Refusal.FOREIGN_HOST: "This Host is not served here: use 127.0.0.1 or localhost",
    Refusal.FORWARDED: "Requests that a proxy passed on need a token here: remove sql_unprotected",
    Refusal.FOREIGN_ORIGIN: "Requests of other web pages are not answered here",
}


class GuardedDoor:
    """ASGI middleware that answers 403, with the reason, to what a guard refuses.

    Args:
        app: Gets all else.
        guard: Judges.
        refusals: Where the audit lines of what is refused go; None where none are wanted.
    """

    def __init__(self, app: ASGIApp, guard: Guard, refusals: RationedLog | None = None) -> None:
        self._app = app
        self._guard = guard
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        refusal = None
        if scope["type"] == "http":
            refusal = self._guard.judge(Headers(scope=scope), scope.get("http_version", "1.1"))
        if refusal and self._refusals:
            audit = Audit(Headers(scope=scope), url_parameters(scope["query_string"]), scope.get("client"))
            audit.refused()
            audit.write(self._refusals)
        if refusal:
            await PlainTextResponse(_REFUSALS[refusal] + "\n", 403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
