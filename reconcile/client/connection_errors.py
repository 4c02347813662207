"""Why no answer came, in words that name the remedy: unknown host, refused port, certificate, time, proxy.

httpx names the step that failed; what the system or TLS said stands in the errors that this one came from. Of all
those texts only fixed words and the configured host are repeated: they may hold addresses with names.
"""

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}
_STATUS = re.compile("[0-9]{3}", re.ASCII)
_WANTS_LOGIN = "407"
_PROXY_PORTS = {"https": 443, "socks5": 1080, "socks5h": 1080}


def connection_cause(error: BaseException, url: httpx.URL) -> str:
    """Return in a sentence why a request got no answer, and what to look at.

    Args:
        error: What sending it raised.
        url: Where it was sent.
    """
    return f"{_words(error, url.host, _first_hop(url))} ({type(error).__name__})"


class _Hop(NamedTuple):
    """What a connection is made to: the site, or the proxy of the environment."""

    name: str
    port: int
    check: str


def _words(error: BaseException, host: str, hop: _Hop) -> str:
    if isinstance(error, httpx.ProxyError):
        return _proxy_words(error, hop)
    for one in _chain(error):
        if isinstance(one, ssl.SSLCertVerificationError):
            return (
                f"the certificate of {host} is not trusted: {one.verify_message}; if a proxy looks into TLS here, name "
                "the file of its CA in SSL_CERT_FILE"
            )
        if isinstance(one, ssl.SSLError):
            return f"{host} speaks no TLS that this machine takes; check the site's url, and any proxy"
        if isinstance(one, socket.gaierror):
            return f"unknown host: {hop.name} cannot be looked up; check {hop.check} and this machine's DNS"
        if isinstance(one, ConnectionRefusedError):
            return f"{hop.name} refuses connections on port {hop.port}; check {hop.check}, and any firewall"
        if isinstance(one, OSError) and one.errno in _NO_ROUTE:
            return f"there is no way to {hop.name}; check this machine's network"
    if isinstance(error, httpx.ConnectTimeout):
        return f"timeout: {hop.name} takes no connection on port {hop.port}; check the firewall and {hop.check}"
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return f"timeout: {host} did not answer in time"
    if isinstance(error, httpx.DecodingError):
        return "an answer that cannot be unpacked"
    if isinstance(error, httpx.ConnectError):
        return f"{hop.name} cannot be connected to on port {hop.port}; check {hop.check}"
    return f"the connection to {host} was cut"


def _proxy_words(error: httpx.ProxyError, hop: _Hop) -> str:
    status = _STATUS.match(str(error))
    if status and status.group() == _WANTS_LOGIN:
        return f"{hop.name} wants a user and a password; write them into {hop.check}"
    said = f", it answers {status.group()}" if status else ""
    return f"{hop.name} lets nothing through{said}; check {hop.check}, or ask who runs it"


def _first_hop(url: httpx.URL) -> _Hop:
    site = _Hop(url.host, url.port or (443 if url.scheme == "https" else 80), "the site's url")
    if url.host in _LOOPBACK or proxy_bypass(url.host):
        return site
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all") or ""
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        port = parts.port
    except ValueError:
        return site
    if not proxy or not parts.hostname:
        return site
    default = _PROXY_PORTS.get(parts.scheme, 80)
    return _Hop(f"the proxy {parts.hostname}", port or default, f"{url.scheme.upper()}_PROXY")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and all that it came from, also those that were gathered in groups."""
    left, seen = [error], set[int]()
    while left:
        one = left.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            left += one.exceptions
        left += [one.__cause__, one.__context__]
