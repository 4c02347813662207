"""Keeps web pages out: a browser on this machine reaches loopback, whatever page it shows."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from rollcall.http.guard import is_forwarded
from rollcall.http.listener import is_loopback, split_address


class Guard:
    """Refuses requests that a web page of somebody else may have sent.

    A page can name this machine by its own host name (DNS rebinding), so on loopback the Host header must be a
    loopback name. And a page can send simple requests anywhere, with a password the browser remembers, so those that
    say they come from another origin are refused wherever the door listens.

    A door that asks for no token trusts whoever is on this machine, so it also refuses what a proxy passed on.

    Args:
        app: What to guard.
        listen: Where it listens, as ``host:port``.
        asks: Whether clients must know a token.
    """

    def __init__(self, app: ASGIApp, listen: str, asks: bool) -> None:
        self._app = app
        self._asks = asks
        self._host, _ = split_address(listen)
        self._loopback = is_loopback(listen)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it 403."""
        if scope["type"] == "http" and (reason := self._against(Headers(scope=scope))):
            await PlainTextResponse(reason + "\n", 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _against(self, headers: Headers) -> str:
        host = headers.get("host", "")
        if self._loopback and not self._is_ours(host):
            return "This Host is not served here: use 127.0.0.1 or localhost"
        if not self._asks and is_forwarded(headers):
            return "Requests that a proxy passed on need a token here: set sql_token_file"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return "Requests of other web pages are not answered here"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return "Requests of other web pages are not answered here"
        return ""

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        address = f"[{name}]:0" if ":" in name else f"{name}:0"
        return name == self._host or (bool(name) and is_loopback(address))
