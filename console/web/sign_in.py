"""Sign in and sign out: by the password, or once by the address that was printed at the start."""

import asyncio
import hmac
import re
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.web.access import (
    COOKIE,
    SIGN_IN_PATH,
    VIEWS,
    Decision,
    Password,
    Policy,
    Role,
    Sessions,
    client_of,
    refusal_page,
)
from console.web.template import render
from rollcall.http.guard import host_of, same_origin
from rollcall.logs import logger
from rollcall.settings import Settings

_log = logger(__name__)

_LARGEST_FORM = 4096
_FORM_SECONDS = 10.0
_OUR_PAGE = re.compile(rf"({'|'.join(map(re.escape, VIEWS))})(\?[!-~]*)?", re.ASCII)


class SignIn:
    """The routes ``/sign-in`` and ``/sign-out``.

    Args:
        settings: All settings.
        policy: Decides on requests.
        sessions: What is opened and closed here.
        password: Compares passwords.
        once: Token of the one-time sign-in address; empty where there is none.
    """

    def __init__(
        self, settings: Settings, policy: Policy, sessions: Sessions, password: Password, once: str = ""
    ) -> None:
        self._settings = settings.page
        self._has_password = bool(settings.page.secret())
        self._policy = policy
        self._sessions = sessions
        self._password = password
        self._once = once

    async def form(self, request: Request) -> Response:
        """Show the form; who needs none goes straight to the page."""
        decision = self._policy.judge(request)
        there = _next(request.query_params.get("next", ""))
        if decision is Decision.SHOW or self._sessions.known(request.cookies.get(COOKIE)):
            return RedirectResponse(there, 303)
        if decision is not Decision.SIGN_IN:
            return refusal_page(decision)
        if self._has_password:
            return _form(there)
        return self._by_address(request, request.query_params["token"]) if "token" in request.query_params else _once()

    async def sign_in(self, request: Request) -> Response:
        """Compare the password and open a session."""
        if self._policy.judge(request) is not Decision.SIGN_IN or not self._has_password:
            return RedirectResponse(SIGN_IN_PATH, 303)
        fields = await _fields(request) if same_origin(request.headers) else None
        if fields is None:
            return _form("/", "The form did not come from this page. Try again here.", 403)
        there = _next(fields.get("next", ""))
        address = client_of(request)
        if seconds := self._password.wait(address):
            answer = _form(there, f"Too many wrong passwords. Try again in {seconds} seconds.", 429)
            answer.headers["retry-after"] = str(seconds)
            return answer
        role = self._password.role(fields.get("password", ""), address)
        if role is None:
            return _form(there, "That is not the password.", 403)
        return self._signed_in(request, there, role)

    def _by_address(self, request: Request, token: str) -> Response:
        """Let in who has the address of this start, once: it may have been read over a shoulder or in a log."""
        address = client_of(request)
        if seconds := self._password.wait(address):
            answer = _once(f"Too many wrong addresses. Try again in {seconds} seconds.", 429)
            answer.headers["retry-after"] = str(seconds)
            return answer
        if not self._once or not hmac.compare_digest(token.encode(), self._once.encode()):
            self._password.failed(address, "wrong sign-in address at the page")
            return _once("This address is of another start, or was used already.", 403)
        self._once = ""
        return self._signed_in(request, "/", Role.NAMES)

    def _signed_in(self, request: Request, there: str, role: Role) -> Response:
        _log.info("signed in at the page", client=client_of(request), sees=role.value)
        answer = RedirectResponse(there, 303)
        self._set_cookie(request, answer, self._sessions.open(role))
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


def _once(problem: str = "", status: int = 200) -> Response:
    return Response(render("sign_in_once.html", problem=problem), status, media_type="text/html")


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
