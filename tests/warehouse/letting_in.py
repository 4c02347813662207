"""Who comes in at the stand-in, read from a request as ClickHouse's HTTP interface reads it."""

from asyncio import BaseTransport
from base64 import b64decode

from starlette.requests import Request
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

REFUSED = (
    "Code: 516. DB::Exception: {}: Authentication failed: password is incorrect, or there is no user with such name. "
    "(AUTHENTICATION_FAILED)"
)


class Naming(HttpToolsProtocol):
    """Tells a request whose certificate its connection came with."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn wants a Transport, asyncio promises a base
        shown = transport.get_extra_info("peercert") or {}
        names = {key: value for pairs in shown.get("subject", ()) for key, value in pairs}
        self.app_state = {**self.app_state, "common_name": names.get("commonName", "")}


def refusal(request: Request, user: str, password: str) -> str | None:
    """Return the error for whoever is not `user`, with `password` or a certificate of that name; None to let in.

    Args:
        request: Carries the credentials, in one of three ways; ClickHouse refuses a mixture.
        user: The only one who comes in.
        password: Empty if only a certificate will do.
    """
    headers, url = request.headers, request.query_params
    basic, named = headers.get("Authorization", ""), headers.get("X-ClickHouse-User", "")
    by_key = "X-ClickHouse-Key" in headers
    if sum([bool(basic), bool(named or by_key), "user" in url or "password" in url]) > 1:
        return REFUSED.format(named)
    if headers.get("X-ClickHouse-SSL-Certificate-Auth") == "on":
        proven = named == user == request.state.common_name and not by_key
        return None if proven else REFUSED.format(named)
    given = url.get("password", "")
    if basic:
        named, _, given = b64decode(basic.removeprefix("Basic ")).decode().partition(":")
    elif named:
        given = headers.get("X-ClickHouse-Key", "")
    else:
        named = url.get("user", "default")
    return None if (named, given) == (user, password) and password else REFUSED.format(named)
