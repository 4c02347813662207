"""Who may see the page: the policy by request, the sessions of who has signed in, and the gate before every route.

Three cases. With a password, everybody signs in. Without one and bound to a loopback address, this machine may look,
and only this machine: a name that some other site made resolve to 127.0.0.1 (DNS rebinding) is told by the Host header,
and a proxy or tunnel on this machine, which makes the whole world look local, by the headers it adds. Without one and
bound to anything else, nobody may look, and is told which setting to set. None of this touches webhooks.

A session is a signed cookie. The key is made at the start of the process and kept nowhere, so a cookie is good for one
process and a restart signs everybody out.
"""

import secrets
from collections.abc import Callable
from enum import Enum
from urllib.parse import quote, urlsplit

from itsdangerous import BadSignature, Signer
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from console.web.template import render
from rollcall.http.guard import is_forwarded
from rollcall.http.listener import is_loopback
from rollcall.settings import Settings


class Decision(Enum):
    """What to do with a request for the page."""

    SHOW = "show"
    SIGN_IN = "sign in"
    NO_PASSWORD = "no password"  # noqa: S105 - a name, not a password
    STRANGE_HOST = "strange host"
    PASSED_ON = "passed on"


class Policy:
    """Judges requests, before any session is looked at.

    Args:
        settings: All settings.
        listen: The address that the page is served on.
    """

    def __init__(self, settings: Settings, listen: str) -> None:
        self._password = bool(settings.page.secret())
        self._local = is_loopback(listen)

    def judge(self, request: HTTPConnection) -> Decision:
        """Return what to do with a request."""
        if self._password:
            return Decision.SIGN_IN
        if not self._local:
            return Decision.NO_PASSWORD
        if is_forwarded(request.headers):
            return Decision.PASSED_ON
        return Decision.SHOW if _names_this_machine(request.headers.get("host", "")) else Decision.STRANGE_HOST


def host_of(request: HTTPConnection) -> str:
    """Return the Host header in lower case, without what is no part of a host and port."""
    host = request.headers.get("host", "").lower()
    try:
        parts = urlsplit(f"//{host}")
        return host if parts.hostname and parts.netloc == host and "@" not in host else ""
    except ValueError:
        return ""


def _names_this_machine(host: str) -> bool:
    try:
        parts = urlsplit(f"//{host}")
        name = parts.hostname or ""
        return bool(name) and "@" not in host and is_loopback(f"[{name}]:0" if ":" in name else f"{name}:0")
    except ValueError:
        return False


def same_origin(request: HTTPConnection) -> bool:
    """Return whether a browser says that a page of this host sent the request.

    Browsers send Sec-Fetch-Site, which no script can set, to https and local addresses, and Origin with every POST.
    Without either it is no browser's form, and there is nothing to allow.
    """
    fetch_site = request.headers.get("sec-fetch-site")
    if fetch_site is not None:
        return fetch_site == "same-origin"
    host = host_of(request)
    origin = request.headers.get("origin", "")
    try:
        return bool(host) and urlsplit(origin).netloc.lower() == host
    except ValueError:
        return False


COOKIE = "rollcall_session"
_MOST_SIGNED_OUT = 10_000


class Sessions:
    """Opens, knows and closes sessions.

    Args:
        seconds: How long a session lasts.
        clock: Seconds since the epoch.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._signer = Signer(secrets.token_bytes(32), salt="rollcall.page.session")
        self._signed_out: dict[str, float] = {}

    def open(self) -> str:
        """Return the cookie of a new session."""
        ends = int(self._clock() + self._seconds)
        return self._signer.sign(f"{secrets.token_urlsafe(24)}.{ends}").decode()

    def known(self, cookie: str | None) -> bool:
        """Return whether a cookie is of a session that is open."""
        return self._ends(cookie) is not None

    def close(self, cookie: str | None) -> None:
        """End a session: its cookie is good no more, whoever has a copy of it."""
        ends = self._ends(cookie)
        if cookie is None or ends is None:
            return
        now = self._clock()
        self._signed_out = {name: end for name, end in self._signed_out.items() if end > now}
        while len(self._signed_out) >= _MOST_SIGNED_OUT:
            del self._signed_out[next(iter(self._signed_out))]
        self._signed_out[cookie] = ends

    def _ends(self, cookie: str | None) -> float | None:
        if not cookie or cookie in self._signed_out:
            return None
        try:
            ends = float(self._signer.unsign(cookie).decode().rpartition(".")[2])
        except (BadSignature, ValueError):
            return None
        return ends if ends > self._clock() else None


SIGN_IN_PATH = "/sign-in"


class Gate:
    """ASGI middleware that lets through who may see the page.

    Others are sent to sign in when they came for the page, and told 401 when a script of it asks for a part.
    """

    def __init__(self, app: ASGIApp, *, policy: Policy, sessions: Sessions) -> None:
        self._app = app
        self._policy = policy
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        request = HTTPConnection(scope)
        verdict = self._policy.judge(request)
        if verdict is Decision.SHOW or (
            verdict is Decision.SIGN_IN and self._sessions.known(request.cookies.get(COOKIE))
        ):
            await self._app(scope, receive, send)
        else:
            await _turned_away(request, verdict)(scope, receive, send)


def refusal_page(verdict: Decision) -> Response:
    """Return the page that says why there is no page, and what to do about it."""
    return Response(render("refused.html", verdict=verdict.name), 403, media_type="text/html")


def _turned_away(request: HTTPConnection, verdict: Decision) -> Response:
    if verdict is not Decision.SIGN_IN:
        return refusal_page(verdict)
    if request.url.path != "/":
        return Response("sign in first\n", 401, media_type="text/plain")
    query = request.url.query
    return RedirectResponse(f"{SIGN_IN_PATH}?next={quote(f'/?{query}')}" if query else SIGN_IN_PATH, 303)
