"""Who may see the page: the policy by request, the sessions of who has signed in, and the gate before every route.

Three cases. With a password, a provider of OpenID Connect or a trusted proxy, everybody signs in, behind whatever proxy
and host name: by the form, at the provider, at the proxy, or by HTTP Basic with any user name, at the API also as
Bearer. Without any of them and bound to a loopback address, who has the one-time sign-in address of this start may
look, from this machine only (`rollcall.http.guard` judges); or everybody on it, where the settings say so. Without one
and bound to anything else, nobody may look, and reads which setting to set. None of this touches webhooks.

Who has the other password, or is in a group, of those who see figures only, is shown no view of persons: what does not
stand in `FIGURES` is refused, and of the API what its reports declare to be of persons.

A session is a signed cookie. The key is made at the start of the process and stored nowhere, so a cookie is good for
one process and a restart signs everybody out.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from enum import Enum, StrEnum
from http import HTTPStatus
from urllib.parse import quote

import msgspec
from itsdangerous import BadSignature, Signer
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from console.web.template import render
from rollcall.http.guard import Guard, Refusal, Throttle, basic_credentials, is_loopback
from rollcall.logs import RationedLog, logger, printable
from rollcall.settings import PageSettings, Settings

_log = logger(__name__)


class Role(StrEnum):
    """What somebody may see."""

    NAMES = "names"
    FIGURES = "figures"


class Visitor(msgspec.Struct, frozen=True):
    """Who sent a request.

    Attributes:
        role: What they may see.
        by: How that is known: ``session``, ``password`` or ``proxy``.
        name: Who they are, as provider or proxy told; empty for who has a password.
    """

    role: Role
    by: str
    name: str = ""


def role_of(settings: PageSettings, groups: Iterable[str]) -> Role | None:
    """Return what people of some groups may see; None where none of the groups may see anything."""
    told = set(groups)
    if told.intersection(settings.names_groups):
        return Role.NAMES
    return Role.FIGURES if told.intersection(settings.figures_groups) else None


_VISITOR: ContextVar[Visitor] = ContextVar("visitor", default=Visitor(Role.FIGURES, ""))  # noqa: B039 - it is frozen


def visitor_now() -> Visitor:
    """Return who sent the request that is being answered."""
    return _VISITOR.get()


def role_now() -> Role:
    """Return what they may see."""
    return _VISITOR.get().role


class Decision(Enum):
    """What to do with a request for the page."""

    SHOW = "show"
    SIGN_IN = "sign in"
    NO_PASSWORD = "no password"  # noqa: S105 - a name, not a password
    FOREIGN_HOST = "foreign host"
    FORWARDED = "forwarded"
    OF_PERSONS = "of persons"
    NO_GROUP = "in no group that may see it"
    WRONG_PROXY = "wrong proxy secret"


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
        self._signs_in = settings.page.signs_in
        self._unprotected = settings.page.unprotected
        self._local = is_loopback(listen)
        self._guard = Guard(listen, any_origin=True)  # others may link to the page; forms are judged by `same_origin`

    def judge(self, request: HTTPConnection) -> Decision:
        """Return what to do with a request."""
        if self._signs_in:
            return Decision.SIGN_IN
        if not self._local:
            return Decision.NO_PASSWORD
        refusal = self._guard.judge(request.headers, request.scope.get("http_version", "1.1"))
        if refusal:
            return _REFUSALS[refusal]
        return Decision.SHOW if self._unprotected else Decision.SIGN_IN


def new_sign_in_token(settings: Settings, listen: str) -> str:
    """Return the token of a one-time sign-in address; empty where there is none, as people sign in otherwise or never.

    Args:
        settings: All settings.
        listen: The address that the page is served on.
    """
    needed = not settings.page.signs_in and not settings.page.unprotected and is_loopback(listen)
    return secrets.token_urlsafe(32) if needed else ""


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

    def open(self, role: Role = Role.NAMES, name: str = "") -> str:
        """Return the cookie of a new session of somebody who may see so much, and who they are, where that is known."""
        ends = int(self._clock() + self._seconds)
        told = base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")  # which would have to be quoted
        return self._signer.sign(f"{role}~{told}~{secrets.token_urlsafe(24)}.{ends}").decode()

    def known(self, cookie: str | None) -> bool:
        """Return whether a cookie is of a session that is open."""
        return self._ends(cookie) is not None

    def role(self, cookie: str | None) -> Role | None:
        """Return what somebody with this cookie may see; None when it is of no session that is open."""
        visitor = self.visitor(cookie)
        return visitor.role if visitor else None

    def visitor(self, cookie: str | None) -> Visitor | None:
        """Return who has this cookie; None when it is of no session that is open."""
        if cookie is None or not self.known(cookie):
            return None
        role, told, _ = cookie.split("~", 2)
        return Visitor(Role(role), "session", base64.urlsafe_b64decode(told + "==").decode())

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


class Password:
    """Compares what is given with the passwords of the page, at most so often.

    Args:
        password: The password; empty where there is none, and nothing is right.
        throttle: Counts what was wrong.
        figures: That of those who see figures only; empty where there is none.
    """

    def __init__(self, password: str, throttle: Throttle, figures: str = "") -> None:
        self._digest = digest(password) if password else b""
        self._figures = digest(figures) if figures else b""
        self._throttle = throttle
        self._log = RationedLog(_log)

    def wait(self, address: str) -> int:
        """Return for how many seconds a client has to wait before it may try; 0 when it may now."""
        return self._throttle.wait(address)

    def role(self, given: str, address: str) -> Role | None:
        """Return what it lets see, None when it is no password; call it only when there is nothing to wait for."""
        given_digest = digest(given)
        names, figures = (hmac.compare_digest(given_digest, known) for known in (self._digest, self._figures))
        if names or figures:
            return Role.NAMES if names else Role.FIGURES
        self.failed(address, "wrong password at the page")
        return None

    def failed(self, address: str, event: str) -> None:
        """Remember and log a failure."""
        self._throttle.failed(address)
        self._log.warning(event, {}, client=address)


def digest(password: str) -> bytes:
    """Return what secrets are compared by, of one length whatever theirs."""
    return hashlib.sha256(password.encode()).digest()


def client_of(request: HTTPConnection) -> str:
    """Return the address that a request came from."""
    return request.client.host if request.client else ""


SIGN_IN_PATH = "/sign-in"
VIEWS = ("/", "/seats", "/licenses", "/thresholds", "/robots", "/person", "/health")
"""Where a browser that is not signed in is sent to sign in, and then back."""
EXPORTS = tuple(f"/{name}.{form}" for name in ("seats", "licenses", "thresholds", "robots") for form in ("csv", "json"))
FIGURES = (
    *("/", "/live", "/health", "/licenses", "/thresholds"),
    *("/licenses.csv", "/licenses.json", "/thresholds.csv", "/thresholds.json"),
)
"""What shows no persons to who may see figures only; whatever else there is, is refused to them."""
API = "/api/"
"""What all addresses of the API begin with; its views are audited as those of the page."""
ROWS_SHOWN = "rows_shown"
"""Where a request's state has how many people the page shows, once they are read."""
SHOWN = "shown"
"""Where it has what of the API was asked for, and the site, once both are known to be there."""


class Problem(msgspec.Struct, kw_only=True):
    """Why the API does not give what was asked for (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a problem as the answer of the API."""
    told = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail)
    return Response(msgspec.json.encode(told), status, headers, media_type="application/problem+json")


_LONGEST_SITE = 64


class Gate:
    """ASGI middleware that lets through who may see the page.

    Others are sent to sign in when they came for the page, and get a 401 when its script came for a part.

    Args:
        app: What shows the page.
        policy: Decides on requests.
        sessions: Knows who has signed in.
        password: Compares passwords.
        proxy: Says who sent a request, as far as a trusted proxy does.
        audit: Whether views are lines of the log.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        policy: Policy,
        sessions: Sessions,
        password: Password,
        proxy: Callable[[HTTPConnection], Visitor | Decision | None] | None = None,
        audit: bool = False,
    ) -> None:
        self._app = app
        self._policy = policy
        self._sessions = sessions
        self._password = password
        self._proxy = proxy
        self._audit = audit
        self._refusals = RationedLog(_log)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        request = HTTPConnection(scope)
        decision = self._policy.judge(request)
        visitor = Visitor(Role.NAMES, "password") if decision is Decision.SHOW else None
        if decision is Decision.SIGN_IN:
            visitor = self._sessions.visitor(request.cookies.get(COOKIE))
            told = self._proxy(request) if self._proxy and not visitor else None
            if isinstance(told, Decision):
                decision = told
            else:
                visitor = visitor or told
        if visitor:
            await self._show(request, visitor, receive, send)
        elif decision is Decision.SIGN_IN and "authorization" in request.headers:
            judged = self._judged(request)
            if isinstance(judged, Role):
                await self._show(request, Visitor(judged, "password"), receive, send)
            else:
                await judged(scope, receive, send)
        else:
            self._note_refusal(request, "not signed in" if decision is Decision.SIGN_IN else decision.value)
            await _answer(request, decision)(scope, receive, send)

    def _note_refusal(self, request: HTTPConnection, why: str) -> None:
        if self._audit:
            kind = kind_of(request.url.path)
            self._refusals.info("page refused", {"outcome": why}, client=client_of(request), kind=kind)

    async def _show(self, request: HTTPConnection, visitor: Visitor, receive: Receive, send: Send) -> None:
        path, role = request.url.path, visitor.role
        if role is not Role.NAMES and path not in FIGURES and not path.startswith(API):
            self._note_refusal(request, Decision.OF_PERSONS.value)
            await _of_persons(request, visitor)(request.scope, receive, send)
            return
        _VISITOR.set(visitor)
        shown = path.startswith(API) or path in (*VIEWS, *EXPORTS)
        if not self._audit or not shown:  # what its script asks for again and again is of the same view
            await self._app(request.scope, receive, send)
            return
        site = printable(request.query_params.get("site", "")[:_LONGEST_SITE])
        try:
            await self._app(request.scope, receive, send)
        finally:
            state = request.scope.get("state", {})
            rows = state.get(ROWS_SHOWN)
            outcome = "failed" if rows is None else "ok"
            kind, site = state.get(SHOWN, (kind_of(path), site))
            who = {"client": client_of(request), "by": visitor.by, "sees": role.value}
            if visitor.name:
                who["user"] = visitor.name
            _log.info("page viewed", **who, kind=kind, site=site, outcome=outcome, rows=rows)

    def _judged(self, request: HTTPConnection) -> Role | Response:
        """Judge HTTP Basic and Bearer; return the refusal where it is no password."""
        address = client_of(request)
        if seconds := self._password.wait(address):
            self._note_refusal(request, "too many wrong passwords")
            text = f"Too many wrong passwords. Try again in {seconds} seconds."
            return _refused(request, 429, text, {"retry-after": str(seconds)})
        if role := self._password.role(_given(request), address):
            return role
        self._note_refusal(request, "wrong password")
        return _refused(request, 401, "That is not the password.", _ASKING)


_ASKING = {"www-authenticate": 'Basic realm="rollcall"'}


def _given(request: HTTPConnection) -> str:
    """Return the password of the ``Authorization`` header, Basic or, for the API, Bearer; empty where it has none."""
    header = request.headers["authorization"]
    scheme, _, token = header.partition(" ")
    if scheme.lower() == "bearer" and request.url.path.startswith(API):
        return token.strip()
    return basic_credentials(header)[1].decode(errors="replace")


def kind_of(path: str) -> str:
    """Return what the audit calls a view: ``page``, ``api``, or its address without the slash."""
    if path.startswith(API):
        return "api"
    return path.removeprefix("/") if path in (*VIEWS, *EXPORTS, "/live") and path != "/" else "page"


def _refused(request: HTTPConnection, status: int, text: str, headers: Mapping[str, str]) -> Response:
    if request.url.path.startswith(API):
        return problem(status, text, headers)
    return Response(f"{text}\n", status, headers, media_type="text/plain")


def refusal_page(decision: Decision) -> Response:
    """Return the page that says why there is no page, and what to do about it."""
    return Response(render("refused.html", decision=decision.name), 403, media_type="text/html")


OF_PERSONS = "This is of persons, and the password shows figures only."
_OF_PERSONS_BY_GROUP = "This is of persons, and your groups show figures only."

_REASONS = {
    Decision.NO_PASSWORD: "The page and the API have no password, and others than this machine reach them: set "
    "page.password_file.",
    Decision.FOREIGN_HOST: "Without a password page and API are for this machine alone, and the Host does not name it.",
    Decision.FORWARDED: "Without a password page and API are for this machine alone, and a proxy passed this on.",
    Decision.NO_GROUP: "The proxy told none of the groups that may see the page: see page.names_groups.",
    Decision.WRONG_PROXY: "The proxy's secret is not the one of page.proxy.secret_file.",
}


def _answer(request: HTTPConnection, decision: Decision) -> Response:
    path, query = request.url.path, request.url.query
    if path.startswith(API):
        if decision is Decision.SIGN_IN:
            return problem(401, "Give the page's password, as HTTP Basic or Bearer, or sign in at the page.", _ASKING)
        return problem(403, _REASONS[decision])
    if decision is not Decision.SIGN_IN:
        return refusal_page(decision)
    if path not in VIEWS:
        return Response("sign in first\n", 401, media_type="text/plain")
    there = f"{path}?{query}" if query else path
    return RedirectResponse(SIGN_IN_PATH if there == "/" else f"{SIGN_IN_PATH}?next={quote(there)}", 303)


def _of_persons(request: HTTPConnection, visitor: Visitor) -> Response:
    path = request.url.path
    said = _OF_PERSONS_BY_GROUP if visitor.name else OF_PERSONS
    if path.startswith(API):
        return problem(403, said)
    return refusal_page(Decision.OF_PERSONS) if path in VIEWS else Response(f"{said}\n", 403, media_type="text/plain")
