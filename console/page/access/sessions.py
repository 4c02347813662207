"""Who has signed in: signed cookies, and the list of those signed out before their time.

The key is made at the start of the process and kept nowhere, so a cookie is good for one process and a restart signs
everybody out.
"""

import secrets
from collections.abc import Callable

from itsdangerous import BadSignature, Signer

COOKIE = "rollcall_session"
_MOST_SIGNED_OUT = 10_000


class Sessions:
    """Opens, knows and closes sessions.

    Args:
        seconds: How long a session lasts.
        clock: Seconds since the epoch.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._signer = Signer(secrets.token_bytes(32), salt="rollcall.page.session")
        self._signed_out: dict[str, float] = {}

    def open(self) -> str:
        """Return the cookie of a new session."""
        ends = int(self._clock() + self._seconds)
        return self._signer.sign(f"{secrets.token_urlsafe(24)}.{ends}").decode()

    def known(self, cookie: str | None) -> bool:
        """Return whether a cookie is of a session that is open."""
        return self._ends(cookie) is not None

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
