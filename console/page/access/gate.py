"""The gate before every route of the page."""

from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from console.page.access.policy import Policy, Verdict
from console.page.access.sessions import COOKIE, Sessions
from console.page.rendering import render

SIGN_IN = "/sign-in"


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
        if verdict is Verdict.SHOW or (
            verdict is Verdict.SIGN_IN and self._sessions.known(request.cookies.get(COOKIE))
        ):
            await self._app(scope, receive, send)
        else:
            await _turned_away(request, verdict)(scope, receive, send)


def refused(verdict: Verdict) -> Response:
    """Return the page that says why there is no page, and what to do about it."""
    return Response(render("refused.html", verdict=verdict.name), 403, media_type="text/html")


def _turned_away(request: HTTPConnection, verdict: Verdict) -> Response:
    if verdict is not Verdict.SIGN_IN:
        return refused(verdict)
    if request.url.path != "/":
        return Response("sign in first\n", 401, media_type="text/plain")
    query = request.url.query
    return RedirectResponse(f"{SIGN_IN}?next={quote(f'/?{query}')}" if query else SIGN_IN, 303)
