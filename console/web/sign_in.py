"""Sign in and sign out, with a limit on guesses at the password."""

import asyncio
import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.web.access import COOKIE, SIGN_IN_PATH, Decision, Policy, Sessions, refusal_page
from console.web.template import render
from rollcall.http.guard import host_of, same_origin
from rollcall.logs import logger
from rollcall.settings import Settings

_log = logger(__name__)

MOST_FAILURES = 10
WINDOW_SECONDS = 300.0
_MOST_CLIENTS = 10_000


class Throttle:
    """Counts failures by client: after ten within five minutes the client waits.

    A client is an address, of IPv6 the /64 it is in. Behind a proxy all viewers are one client, because nobody can
    tell a true X-Forwarded-For from a false one; guesses are then limited for all of them together.

    Args:
        clock: Seconds, from any start.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def wait(self, address: str) -> int:
        """Return for how many seconds a client has to wait before it may try; 0 when it may now."""
        now = self._clock()
        recent = [moment for moment in self._failures.get(_client(address), []) if moment > now - WINDOW_SECONDS]
        return max(1, round(recent[0] + WINDOW_SECONDS - now)) if len(recent) >= MOST_FAILURES else 0

    def failed(self, address: str) -> None:
        """Remember a failure."""
        client = _client(address)
        self._failures[client] = [*self._failures.pop(client, []), self._clock()][-MOST_FAILURES:]
        while len(self._failures) > _MOST_CLIENTS:
            self._failures.popitem(last=False)


def _client(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or f"{int(parsed) >> 64:x}/64")
    return str(parsed)


_LARGEST_FORM = 4096
_FORM_SECONDS = 10.0
_OUR_PAGE = re.compile(r"/(\?[!-~]*)?", re.ASCII)


class SignIn:
    """The routes ``/sign-in`` and ``/sign-out``."""

    def __init__(self, settings: Settings, policy: Policy, sessions: Sessions, throttle: Throttle) -> None:
        self._settings = settings.page
        self._password = _digest(settings.page.secret())
        self._policy = policy
        self._sessions = sessions
        self._throttle = throttle

    async def form(self, request: Request) -> Response:
        """Show the form; who needs none goes straight to the page."""
        decision = self._policy.judge(request)
        there = _next(request.query_params.get("next", ""))
        if decision is Decision.SHOW or self._sessions.known(request.cookies.get(COOKIE)):
            return RedirectResponse(there, 303)
        return _form(there) if decision is Decision.SIGN_IN else refusal_page(decision)

    async def sign_in(self, request: Request) -> Response:
        """Compare the password and open a session."""
        if self._policy.judge(request) is not Decision.SIGN_IN:
            return RedirectResponse(SIGN_IN_PATH, 303)
        fields = await _fields(request) if same_origin(request.headers) else None
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
        if not same_origin(request.headers):
            return _form("/", "The form did not come from this page.", 403)
        self._sessions.close(request.cookies.get(COOKIE))
        answer = RedirectResponse(SIGN_IN_PATH, 303)
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
            secure=public.scheme == "https" and host_of(request.headers) == public.netloc,
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
    """Return where to go after signing in: a view of the page, whatever the request names."""
    return address if _OUR_PAGE.fullmatch(address) else "/"


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode()).digest()
