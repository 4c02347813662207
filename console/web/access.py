"""Who may see the page: the policy by request, the sessions of who has signed in, and the gate before every route.

Three cases. With a password, everybody signs in, behind whatever proxy and host name. Without one and bound to a
loopback address, this machine may look, and only this machine (`rollcall.http.guard` judges). Without one and bound to
anything else, nobody may look, and reads which setting to set. None of this touches webhooks.

A session is a signed cookie. The key is made at the start of the process and stored nowhere, so a cookie is good for
one process and a restart signs everybody out.
"""

import secrets
from collections.abc import Callable
from enum import Enum
from urllib.parse import quote

from itsdangerous import BadSignature, Signer
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from console.web.template import render
from rollcall.http.guard import Guard, Refusal, is_loopback
from rollcall.settings import Settings


class Decision(Enum):
    """What to do with a request for the page."""

    SHOW = "show"
    SIGN_IN = "sign in"
    NO_PASSWORD = "no password"  # noqa: S105 - a name, not a password
    FOREIGN_HOST = "foreign host"
    FORWARDED = "forwarded"


_REFUSALS = {
    Refusal.FORWARDED: Decision.FORWARDED,
    Refusal.FOREIGN_HOST: Decision.FOREIGN_HOST,
}


class Policy:
    """Decides on requests, before any session is looked at.

    Args:
        settings: All settings.
        listen: The address that the page is served on.
    """

    def __init__(self, settings: Settings, listen: str) -> None:
        self._password = bool(settings.page.secret())
        self._local = is_loopback(listen)
        self._guard = Guard(listen, any_origin=True)  # others may link to the page; forms are judged by `same_origin`

    def judge(self, request: HTTPConnection) -> Decision:
        """Return what to do with a request."""
        if self._password:
            return Decision.SIGN_IN
        if not self._local:
            return Decision.NO_PASSWORD
        refusal = self._guard.judge(request.headers)
        return _REFUSALS[refusal] if refusal else Decision.SHOW


COOKIE = "rollcall_session"
_MOST_SIGNED_OUT = 10_000


class Sessions:
    """Opens, verifies and closes sessions.

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

    Others are sent to sign in when they came for the page, and get a 401 when its script came for a part.
    """

    def __init__(self, app: ASGIApp, *, policy: Policy, sessions: Sessions) -> None:
        self._app = app
        self._policy = policy
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        request = HTTPConnection(scope)
        decision = self._policy.judge(request)
        if decision is Decision.SHOW or (
            decision is Decision.SIGN_IN and self._sessions.known(request.cookies.get(COOKIE))
        ):
            await self._app(scope, receive, send)
        else:
            await _answer(request, decision)(scope, receive, send)


def refusal_page(decision: Decision) -> Response:
    """Return the page that says why there is no page, and what to do about it."""
    return Response(render("refused.html", decision=decision.name), 403, media_type="text/html")


def _answer(request: HTTPConnection, decision: Decision) -> Response:
    if decision is not Decision.SIGN_IN:
        return refusal_page(decision)
    if request.url.path != "/":
        return Response("sign in first\n", 401, media_type="text/plain")
    query = request.url.query
    return RedirectResponse(f"{SIGN_IN_PATH}?next={quote(f'/?{query}')}" if query else SIGN_IN_PATH, 303)
