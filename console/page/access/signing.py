"""Sign in and sign out."""

import asyncio
import hashlib
import hmac
import re
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.page.access.gate import SIGN_IN, refused
from console.page.access.policy import Policy, Verdict, host_of
from console.page.access.sameorigin import same_origin
from console.page.access.sessions import COOKIE, Sessions
from console.page.access.throttle import Throttle
from console.page.rendering import render
from rollcall.logs import logger
from rollcall.settings import Settings

_log = logger(__name__)

_LARGEST_FORM = 4096
_FORM_SECONDS = 10.0
_OUR_PAGE = re.compile(r"/(\?[!-~]*)?", re.ASCII)


class Signing:
    """The routes ``/sign-in`` and ``/sign-out``."""

    def __init__(self, settings: Settings, policy: Policy, sessions: Sessions, throttle: Throttle) -> None:
        self._settings = settings.page
        self._password = _digest(settings.page.secret())
        self._policy = policy
        self._sessions = sessions
        self._throttle = throttle

    async def form(self, request: Request) -> Response:
        """Show the form; who needs none goes straight to the page."""
        verdict = self._policy.judge(request)
        there = _next(request.query_params.get("next", ""))
        if verdict is Verdict.SHOW or self._sessions.known(request.cookies.get(COOKIE)):
            return RedirectResponse(there, 303)
        return _form(there) if verdict is Verdict.SIGN_IN else refused(verdict)

    async def sign_in(self, request: Request) -> Response:
        """Compare the password and open a session."""
        if self._policy.judge(request) is not Verdict.SIGN_IN:
            return RedirectResponse(SIGN_IN, 303)
        fields = await _fields(request) if same_origin(request) else None
        if fields is None:
            return _form("/", "The form did not come from this page. Try again here.", 403)
        there = _next(fields.get("next", ""))
        address = request.client.host if request.client else ""
        if seconds := self._throttle.wait(address):
            answer = _form(there, f"Too many wrong passwords. Try again in {seconds} seconds.", 429)
            answer.headers["retry-after"] = str(seconds)
            return answer
        if not hmac.compare_digest(_digest(fields.get("password", "")), self._password):
            self._throttle.failed(address)
            _log.warning("wrong password at the page", client=address)
            return _form(there, "That is not the password.", 403)
        _log.info("signed in at the page", client=address)
        answer = RedirectResponse(there, 303)
        self._set_cookie(request, answer, self._sessions.open())
        return answer

    async def sign_out(self, request: Request) -> Response:
        """Close the session."""
        if not same_origin(request):
            return _form("/", "The form did not come from this page.", 403)
        self._sessions.close(request.cookies.get(COOKIE))
        answer = RedirectResponse(SIGN_IN, 303)
        self._set_cookie(request, answer, "")
        return answer

    def _set_cookie(self, request: Request, answer: Response, value: str) -> None:
        """Secure for the public https address, and only there: the page may also be open inside over plain http.

        Whether a request came by https is read from its Host, which is the browser's, not from X-Forwarded-Proto,
        which anybody may send.
        """
        public = urlsplit(self._settings.public_url.lower())
        answer.set_cookie(
            COOKIE,
            value,
            max_age=round(self._settings.session_hours * 3600) if value else 0,
            secure=public.scheme == "https" and host_of(request) == public.netloc,
            httponly=True,
            samesite="strict",
        )


def _form(there: str, problem: str = "", status: int = 200) -> Response:
    return Response(render("sign_in.html", there=there, problem=problem), status, media_type="text/html")


async def _fields(request: Request) -> dict[str, str] | None:
    """Read a form's fields, None when it is too large, too slow or no form."""
    body = b""
    try:
        async with asyncio.timeout(_FORM_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > _LARGEST_FORM:
                    return None
        return {name: values[0] for name, values in parse_qs(body.decode(), max_num_fields=8).items()}
    except (TimeoutError, ValueError):
        return None


def _next(address: str) -> str:
    """Return where to go after signing in: a view of the page, whatever was asked for."""
    return address if _OUR_PAGE.fullmatch(address) else "/"


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode()).digest()
