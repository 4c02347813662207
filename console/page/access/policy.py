"""Whether a request may see the page.

Three cases. With a password, everybody signs in. Without one and bound to a loopback address, this machine may look,
and only this machine: a name that some other site made resolve to 127.0.0.1 (DNS rebinding) is told by the Host header,
and a proxy or tunnel on this machine, which makes the whole world look local, by the headers it adds. Without one and
bound to anything else, nobody may look, and is told which setting to set. None of this touches webhooks.
"""

from enum import Enum
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from console.listening import is_loopback
from console.passedon import passed_on
from rollcall.settings import Settings


class Verdict(Enum):
    """What to do with a request for the page."""

    SHOW = "show"
    SIGN_IN = "sign in"
    NO_PASSWORD = "no password"  # noqa: S105 - a name, not a password
    STRANGE_HOST = "strange host"
    PASSED_ON = "passed on"


class Policy:
    """Judges requests, before any session is looked at.

    Args:
        settings: All settings.
        listen: The address that the page is served on.
    """

    def __init__(self, settings: Settings, listen: str) -> None:
        self._password = bool(settings.page.secret())
        self._local = is_loopback(listen)

    def judge(self, request: HTTPConnection) -> Verdict:
        """Return what to do with a request."""
        if self._password:
            return Verdict.SIGN_IN
        if not self._local:
            return Verdict.NO_PASSWORD
        if passed_on(request.headers):
            return Verdict.PASSED_ON
        return Verdict.SHOW if _names_this_machine(request.headers.get("host", "")) else Verdict.STRANGE_HOST


def host_of(request: HTTPConnection) -> str:
    """Return the Host header in lower case, without what is no part of a host and port."""
    host = request.headers.get("host", "").lower()
    try:
        parts = urlsplit(f"//{host}")
        return host if parts.hostname and parts.netloc == host and "@" not in host else ""
    except ValueError:
        return ""


def _names_this_machine(host: str) -> bool:
    try:
        parts = urlsplit(f"//{host}")
        name = parts.hostname or ""
        return bool(name) and "@" not in host and is_loopback(f"[{name}]:0" if ":" in name else f"{name}:0")
    except ValueError:
        return False
