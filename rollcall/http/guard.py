"""Who reaches what is served: the address it listens on, one guard for Host, Origin and proxies, a limit on guesses.

A browser on this machine reaches loopback, whatever page it shows. So a loopback address alone protects nothing from a
web page of somebody else, which may bring its own name for this machine (DNS rebinding) or send simple requests with a
password that the browser remembers; nor from a proxy or tunnel on this machine, which makes the whole world look local.
"""

import base64
import binascii
import ipaddress
import os
import socket
from collections import OrderedDict
from collections.abc import Callable, Mapping
from enum import Enum
from urllib.parse import urlsplit

from rollcall.errors import SettingsError


def split_address(address: str) -> tuple[str, int]:
    """Split ``host:port`` (IPv6 in brackets) into host and port.

    Raises:
        ValueError: It is no such address.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{address!r} is no address: write host:port, such as 127.0.0.1:8080")
    return host.removeprefix("[").removesuffix("]"), int(port)


def checked_address(address: str) -> str:
    """Return an address as it is. Raises ValueError when it is none."""
    split_address(address)
    return address


def optional_address(address: str) -> str:
    """Return an address as it is; empty stands for not listening. Raises ValueError when it is none."""
    return checked_address(address) if address else address


def is_loopback(address: str) -> bool:
    """Return whether only this machine can reach ``host:port``."""
    host, _ = split_address(address)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def url_host(host: str) -> str:
    """Return the host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def listen(address: str, setting: str) -> socket.socket:
    """Return a socket that listens on ``host:port``. Raises SettingsError, naming the setting, where it cannot."""
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise SettingsError(
            f"{setting}: cannot listen on {address} ({os.strerror(error.errno or 0)}); "
            "choose another address, or stop what uses this one"
        ) from None
    # Connections inherit it: else an answer in two pieces waits for the other side's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


_PROXY_HEADERS = frozenset(
    {
        "cdn-loop", "client-ip", "max-forwards", "proxy-client-ip", "proxy-connection", "surrogate-capability",
        "true-client-ip", "via", "wl-proxy-client-ip", "x-client-ip", "x-host", "x-nginx-proxy", "x-proxyuser-ip",
        "x-real-ip", "x-real-port", "x-remote-addr", "x-remote-ip", "x-rewrite-url", "x-scheme", "x-url-scheme",
    }
)  # fmt: skip
_PROXY_FAMILIES = (
    "cf-", "cloudfront-", "fastly-", "fly-", "forwarded", "ngrok-", "tailscale-", "x-amzn-", "x-appengine-", "x-arr-",
    "x-azure-", "x-cluster-client-", "x-envoy-", "x-forwarded", "x-original-", "x-proxy-", "x-varnish",
)  # fmt: skip
"""What proxies, tunnels and content networks add, and no browser, ClickHouse driver or Prometheus sends by itself."""


def passed_on(headers: Mapping[str, str], http_version: str = "1.1") -> bool:
    """Return whether a proxy or tunnel seems to have passed a request on; one may also leave no trace at all.

    HTTP/1.0 counts as such: it is what nginx speaks to whom it passes requests on, unless told otherwise, and no
    browser and no client that we know of does.

    Args:
        headers: The request's.
        http_version: The one it came in, such as ``1.1``.
    """
    if http_version in ("0.9", "1.0"):
        return True
    names = (name.lower().replace("_", "-") for name in headers)
    return any(name in _PROXY_HEADERS or name.startswith(_PROXY_FAMILIES) for name in names)


def basic_credentials(header: str) -> tuple[bytes, bytes]:
    """Return user and password of an ``Authorization: Basic`` header; empty ones where it is none."""
    scheme, _, value = header.partition(" ")
    try:
        decoded = base64.b64decode(value, validate=True) if scheme.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        return b"", b""
    user, _, password = decoded.partition(b":")
    return user, password


class Refusal(Enum):
    """Why a request is refused."""

    FORWARDED = "a proxy or tunnel forwarded it"
    FOREIGN_HOST = "its Host does not name this machine"
    FOREIGN_ORIGIN = "a web page of another origin sent it"


class Guard:
    """Judges requests by their headers.

    Everything is refused that is not allowed here.

    Args:
        listen: Where requests are listened for, as ``host:port``.
        any_proxy: Allow what a proxy or tunnel forwarded: for who must bring a secret anyway.
        any_host: Allow any Host, not only loopback names and the host of ``listen``: for an address that other machines
            reach, or a proxy.
        any_origin: Allow what a web page of another origin sent: for pages, which others may link to.
    """

    def __init__(
        self, listen: str, *, any_proxy: bool = False, any_host: bool = False, any_origin: bool = False
    ) -> None:
        self._host = split_address(listen)[0]
        self._any_proxy = any_proxy
        self._any_host = any_host
        self._any_origin = any_origin

    def judge(self, headers: Mapping[str, str], http_version: str = "1.1") -> Refusal | None:
        """Return why a request is refused, None when it is not.

        Args:
            headers: The request's; names are looked up in any case.
            http_version: The one it came in.
        """
        if not self._any_proxy and passed_on(headers, http_version):
            return Refusal.FORWARDED
        if not self._any_host and not self._names_this_machine(host_of(headers)):
            return Refusal.FOREIGN_HOST
        if not self._any_origin and foreign_origin(headers):
            return Refusal.FOREIGN_ORIGIN
        return None

    def _names_this_machine(self, host: str) -> bool:
        name = urlsplit(f"//{host}").hostname or ""
        return bool(name) and (name == self._host or is_loopback(f"{url_host(name)}:0"))


def host_of(headers: Mapping[str, str]) -> str:
    """Return the Host header in lower case; empty when it is not just a host and port."""
    host = headers.get("host", "").lower()
    try:
        parts = urlsplit(f"//{host}")
        return host if parts.hostname and parts.netloc == host and "@" not in host else ""
    except ValueError:
        return ""


def foreign_origin(headers: Mapping[str, str]) -> bool:
    """Return whether a request says that it comes from another origin; one that says nothing is no browser's."""
    origin = headers.get("origin")
    if origin is not None and not _is_of(origin, host_of(headers)):
        return True
    return headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


def same_origin(headers: Mapping[str, str]) -> bool:
    """Return whether a request says that a page of this host sent it, as forms must.

    Browsers send Sec-Fetch-Site, which no script can set, to https and local addresses, and Origin with every POST.
    Without either it is no browser's form, and there is nothing to allow.
    """
    fetch_site = headers.get("sec-fetch-site")
    if fetch_site is not None:
        return fetch_site == "same-origin"
    return _is_of(headers.get("origin", ""), host_of(headers))


def _is_of(origin: str, host: str) -> bool:
    try:
        return bool(host) and urlsplit(origin).netloc.lower() == host
    except ValueError:
        return False


MOST_FAILURES = 10
WINDOW_SECONDS = 300.0
_MOST_CLIENTS = 10_000


class Throttle:
    """Counts failures by client: after ten within five minutes the client waits.

    A client is an address, of IPv6 the /64 it is in. Behind a proxy all are one client, because nobody can
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
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or f"{int(parsed) >> 64:x}/64")
    return str(parsed)
