"""Sign in and sign out: by the password, at a provider or a proxy, or once by the address printed at the start."""

import asyncio
import hmac
import re
import secrets
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from console.web.access import (
    COOKIE,
    SIGN_IN_PATH,
    VIEWS,
    Decision,
    Password,
    Policy,
    Role,
    Sessions,
    Visitor,
    client_of,
    digest,
    refusal_page,
    role_of,
)
from console.web.template import render
from rollcall.errors import RollcallError
from rollcall.http.guard import host_of, same_origin
from rollcall.logs import RationedLog, logger, printable
from rollcall.settings import PageSettings, Settings

if TYPE_CHECKING:
    from console.openid_connect import OpenIdConnect

_log = logger(__name__)

_LARGEST_FORM = 4096
_FORM_SECONDS = 10.0
_OUR_PAGE = re.compile(rf"({'|'.join(map(re.escape, VIEWS))})(\?[!-~]*)?", re.ASCII)
_OPENID_PATH = "/sign-in/openid"
_CALLBACK_PATH = f"{_OPENID_PATH}/callback"
_AWAY_SECONDS = 600
"""How long somebody may take at the provider: its own form, a second factor."""


class SignIn:
    """The routes ``/sign-in`` and ``/sign-out``, and those that lead to a provider of OpenID Connect and back.

    Args:
        settings: All settings.
        policy: Decides on requests.
        sessions: What is opened and closed here.
        password: Compares passwords.
        once: Token of the one-time sign-in address; empty where there is none.

    Attributes:
        proxy: Says who comes by a trusted proxy.
    """

    def __init__(
        self, settings: Settings, policy: Policy, sessions: Sessions, password: Password, once: str = ""
    ) -> None:
        self._settings = settings.page
        self._policy = policy
        self._sessions = sessions
        self._password = password
        self._once = once
        self.proxy = TrustedProxy(settings.page, password)
        self._openid = _provider(settings)
        self._refusals = RationedLog(_log)
        self._ways = {
            "has_password": bool(settings.page.secret()),
            "provider": self._openid.host if self._openid else "",
            "by_proxy": bool(settings.page.proxy.user_header),
        }

    def routes(self, private: Middleware) -> list[BaseRoute]:
        """Return what answers the addresses of signing in and out.

        Args:
            private: Sets the headers of answers that are nobody else's.
        """
        routes: list[BaseRoute] = [
            Route(SIGN_IN_PATH, self.form, methods=["GET"], middleware=[private]),
            Route(SIGN_IN_PATH, self.sign_in, methods=["POST"], middleware=[private]),
            Route("/sign-out", self.sign_out, methods=["POST"], middleware=[private]),
        ]
        if not self._openid:
            return routes
        away = Middleware(
            SessionMiddleware,
            secret_key=secrets.token_urlsafe(32),
            session_cookie="rollcall_away",
            max_age=_AWAY_SECONDS,
            path=SIGN_IN_PATH,
            same_site="lax",  # who comes back from the provider comes from another site
            https_only=self._settings.public_url.startswith("https:"),
        )
        return [
            *routes,
            Route(_OPENID_PATH, partial(self._leave, self._openid), methods=["GET"], middleware=[private, away]),
            Route(_CALLBACK_PATH, partial(self._arrive, self._openid), methods=["GET"], middleware=[private, away]),
        ]

    async def form(self, request: Request) -> Response:
        """Show the form; who needs none goes straight to the page."""
        decision = self._policy.judge(request)
        there = _next(request.query_params.get("next", ""))
        signed_in = self._sessions.known(request.cookies.get(COOKIE)) or isinstance(self.proxy.told(request), Visitor)
        if decision is Decision.SHOW or signed_in:
            return RedirectResponse(there, 303)
        if decision is not Decision.SIGN_IN:
            return refusal_page(decision)
        if self._settings.signs_in:
            return self._form(there)
        return self._by_address(request, request.query_params["token"]) if "token" in request.query_params else _once()

    async def sign_in(self, request: Request) -> Response:
        """Compare the password and open a session."""
        if self._policy.judge(request) is not Decision.SIGN_IN or not self._settings.secret():
            return RedirectResponse(SIGN_IN_PATH, 303)
        fields = await _fields(request) if same_origin(request.headers) else None
        if fields is None:
            return self._form("/", "The form did not come from this page. Try again here.", 403)
        there = _next(fields.get("next", ""))
        address = client_of(request)
        if seconds := self._password.wait(address):
            answer = self._form(there, f"Too many wrong passwords. Try again in {seconds} seconds.", 429)
            answer.headers["retry-after"] = str(seconds)
            return answer
        role = self._password.role(fields.get("password", ""), address)
        if role is None:
            return self._form(there, "That is not the password.", 403)
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

    async def _leave(self, provider: "OpenIdConnect", request: Request) -> Response:
        """Lead somebody to the provider."""
        there = _next(request.query_params.get("next", ""))
        try:
            return await provider.leave(request, f"{self._settings.public_url}{_CALLBACK_PATH}", there)
        except RollcallError as error:
            return self._not_signed_in(request, there, str(error))

    async def _arrive(self, provider: "OpenIdConnect", request: Request) -> Response:
        """Open a session for somebody whom the provider sends back."""
        try:
            who, groups, there = await provider.arrive(request)
        except RollcallError as error:
            return self._not_signed_in(request, "/", str(error))
        name = _shown(who)
        role = role_of(self._settings, groups)
        if role is None:
            why = f"{name} is in none of the groups that may see the page: see page.names_groups."
            return self._not_signed_in(request, "/", why)
        _log.info("signed in at the page", client=client_of(request), sees=role.value, user=name)
        # A page and no redirect: on one that another site began, browsers do not send a cookie of SameSite=Strict.
        answer = Response(render("signed_in.html", there=_next(there)), media_type="text/html")
        self._set_cookie(request, answer, self._sessions.open(role, name))
        return answer

    def _not_signed_in(self, request: Request, there: str, why: str) -> Response:
        self._refusals.warning("not signed in at the page", {}, client=client_of(request), cause=why)
        return self._form(there, why, 403)

    def _form(self, there: str, problem: str = "", status: int = 200) -> Response:
        if not (self._ways["provider"] or self._ways["by_proxy"]):
            return Response(render("sign_in.html", there=there, problem=problem), status, media_type="text/html")
        # At the public address: the provider sends people back to it, and cookies keep to a host.
        start = f"{self._settings.public_url}{_OPENID_PATH}?next={quote(there)}"
        body = render("sign_in_elsewhere.html", there=there, problem=problem, start=start, **self._ways)
        return Response(body, status, media_type="text/html")

    async def sign_out(self, request: Request) -> Response:
        """Close the session."""
        if not same_origin(request.headers):
            return self._form("/", "The form did not come from this page.", 403)
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


PROXY_SECRET = "x-rollcall-proxy-secret"  # noqa: S105 - the header that holds it
_LONGEST_NAME = 128


class TrustedProxy:
    """Believes what the proxy before the page says of who people are, as far as it proves to be the proxy.

    Args:
        settings: The page's settings.
        password: Counts and logs what was wrong.
    """

    def __init__(self, settings: PageSettings, password: Password) -> None:
        self._settings = settings
        self._digest = digest(settings.proxy.proof())
        self._password = password

    def told(self, request: HTTPConnection) -> Visitor | Decision | None:
        """Return who sent a request, or why they see nothing; None where no proxy says anything about them."""
        proxy = self._settings.proxy
        given = _told(request, PROXY_SECRET)
        if not proxy.user_header or not given:
            return None
        # The right secret is right however many wrong ones came: all who come by the proxy are one address.
        if not hmac.compare_digest(digest(given[0]), self._digest):
            self._password.failed(client_of(request), "wrong secret of a proxy at the page")
            return Decision.WRONG_PROXY
        names, groups = _told(request, proxy.user_header), _told(request, proxy.groups_header)
        if max(len(given), len(names), len(groups)) > 1:
            return Decision.WRONG_PROXY  # the client's word beside the proxy's
        name = "".join(names).strip()
        if not name:
            return None
        # A name is whole: people may choose one with a comma and another's after it.
        by_name = proxy.user_header.lower() == proxy.groups_header.lower()
        role = role_of(self._settings, [name] if by_name else [one.strip() for one in "".join(groups).split(",")])
        return Visitor(role, "proxy", _shown(name)) if role else Decision.NO_GROUP


def _shown(name: str) -> str:
    """Return who somebody is as lines of the log have it: others chose it, and a session's cookie holds it."""
    return printable(name[:_LONGEST_NAME])[:_LONGEST_NAME]


def _told(request: HTTPConnection, header: str) -> list[str]:
    """Return what stands in a header: UTF-8, as proxies write it, where the server takes it for Latin-1."""
    return [one.encode("latin-1").decode(errors="replace") for one in request.headers.getlist(header)]


def _provider(settings: Settings) -> "OpenIdConnect | None":
    if not settings.page.openid.issuer:
        return None
    from console.openid_connect import OpenIdConnect  # its library takes a quarter of a second to load

    return OpenIdConnect(settings.page)


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
