"""A provider of OpenID Connect that can be made to err in one way at a time; the well-behaved one is a real one, in
tests/browser/test_provider.py."""

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, urlencode

import httpx
from joserfc import jwk, jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from rollcall.http.server import serve

from ..ports import free_port
from ..threads import begin

CLIENT, CLIENT_SECRET = "rollcall", "a secret of the client, long enough"


@dataclass
class Provider:
    """What it says. Whoever comes is signed in as `claims` say; `fault` names what it does wrong."""

    port: int
    fault: str = ""
    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "ann-1", "groups": ["admins"]})
    told_when_asked: dict[str, Any] | None = None
    algorithms: Any = field(default_factory=lambda: ["RS256", "HS256", "none"])
    pause: float = 0.0
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @cached_property
    def key(self) -> jwk.RSAKey:
        return jwk.RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256", "use": "sig"})

    @cached_property
    def other_key(self) -> jwk.RSAKey:
        return jwk.RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256", "use": "sig"})

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._metadata),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/keys", self._keys),
                Route("/userinfo", self._userinfo),
            ]
        )

    async def _metadata(self, _: Request) -> Response:
        self.asked.append("metadata")
        if self.fault == "metadata is html":
            return HTMLResponse("<h1>Welcome</h1>")
        if self.fault == "metadata is a list":
            return JSONResponse([1])
        if self.fault == "metadata 503":
            return Response("later", 503)
        if self.fault == "metadata elsewhere":
            return RedirectResponse("http://127.0.0.1:1/")
        told = {
            "issuer": "https://evil.example" if self.fault == "another issuer" else self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "id_token_signing_alg_values_supported": self.algorithms,
        }
        if self.fault == "no token endpoint":
            del told["token_endpoint"]
        return JSONResponse(told)

    async def _authorize(self, request: Request) -> Response:
        self.asked.append("authorize")
        asked = dict(request.query_params)
        if self.fault == "denied":
            told = {"error": "access_denied", "error_description": "<b>no</b>", "state": asked["state"]}
        else:
            code = f"code-{len(self.codes)}"
            self.codes[code] = asked
            told = {"code": code, "state": asked["state"]}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(told)}", 302)

    async def _token(self, request: Request) -> Response:
        self.asked.append("token")
        fault = self.fault  # as it is when asked
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        asked = self.codes.pop(form.get("code", ""), None)
        basic = base64.b64encode(f"{CLIENT}:{CLIENT_SECRET}".encode()).decode()
        challenge = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proven = asked and asked["code_challenge"] == base64.urlsafe_b64encode(challenge).decode().rstrip("=")
        if not proven or request.headers.get("authorization") != f"Basic {basic}" or fault == "refuses":
            return JSONResponse({"error": "invalid_client"}, 401)
        if fault == "a used code":
            return JSONResponse({"error": "invalid_grant"}, 400)
        await asyncio.sleep(self.pause)
        if fault == "token is html":
            return HTMLResponse("<h1>Welcome</h1>")
        if fault == "no id_token":
            return JSONResponse({"access_token": "opaque", "token_type": "Bearer"})
        assert asked is not None
        return JSONResponse({"access_token": "opaque", "token_type": "Bearer", "id_token": self._id_token(asked)})

    def _id_token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.claims,
        }
        wrong: dict[str, dict[str, Any]] = {
            "for another client": {"aud": "another"},
            "for another client, to us": {"aud": ["another"], "azp": CLIENT},
            "of another issuer": {"iss": "https://evil.example"},
            "of another sign-in": {"nonce": "another"},
            "expired": {"iat": now - 9000, "exp": now - 8000},
            "of tomorrow": {"iat": now + 86_400, "exp": now + 90_000},
        }
        claims |= wrong.get(self.fault, {})
        for name in ("nonce", "exp", "aud", "sub"):
            if self.fault == f"without {name}":
                del claims[name]
        if self.fault == "unsigned":
            return _unsigned(claims)
        if self.fault == "signed with the public key":
            return _signed_with(self.key.as_pem(private=False), claims)
        key = self.other_key if self.fault == "signed by another" else self.key
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)

    async def _keys(self, _: Request) -> Response:
        if self.fault == "keys 500":
            return Response("oops", 500)
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def _userinfo(self, request: Request) -> Response:
        self.asked.append("userinfo")
        assert request.headers["authorization"] == "Bearer opaque"
        return JSONResponse({"sub": self.claims["sub"], **(self.told_when_asked or {})})


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _unsigned(claims: dict[str, Any], algorithm: str = "none") -> str:
    return ".".join(_part(json.dumps(part).encode()) for part in ({"alg": algorithm, "kid": "one"}, claims)) + "."


def _signed_with(public_key: bytes, claims: dict[str, Any]) -> str:
    """What verifiers take that let the token say by which kind of key it is signed."""
    signed = _unsigned(claims, "HS256").rstrip(".")
    return f"{signed}.{_part(hmac.digest(public_key, signed.encode(), 'sha256'))}"


@contextmanager
def provided() -> Iterator[Provider]:
    """A provider while the context lasts."""
    provider, stop = Provider(free_port()), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    up = threading.Event()

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        address = f"127.0.0.1:{provider.port}"
        await serve(provider.app(), address, drain_timeout=1, ready=lambda _: up.set(), stop=stop)

    thread = begin(main, up)
    assert up.wait(30)
    try:
        yield provider
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(30)


def of_provider(provider: Provider, port: int, **more: Any) -> dict[str, Any]:
    """The settings of a page that is served on a port and has people sign in there."""
    openid = {"issuer": provider.issuer, "client_id": CLIENT, "client_secret": CLIENT_SECRET, **more.pop("openid", {})}
    return {
        "openid": openid,
        "names_groups": ["admins"],
        "figures_groups": ["finance"],
        "public_url": f"http://127.0.0.1:{port}",
        **more,
    }


def go_there(viewer: httpx.Client, there: str = "/") -> str:
    """Begin to sign in; return the address that the provider sends the browser back to."""
    led = viewer.get("/sign-in/openid", params={"next": there})
    assert led.status_code == 302, led.text
    back = httpx.get(led.headers["location"])
    return str(back.headers["location"])


def sign_in(viewer: httpx.Client, there: str = "/") -> httpx.Response:
    return viewer.get(go_there(viewer, there))
