"""Where a sender posts to; read anew for every attempt, so that a changed registration counts at once."""

from typing import Protocol

import msgspec


class Target(Protocol):
    """A URL, the key of the signature (empty for none), and whether the body is left out."""

    @property
    def url(self) -> str:
        """Where to post."""

    @property
    def secret(self) -> str:
        """Key of the signature; empty for none."""

    @property
    def exclude_body(self) -> bool:
        """Whether no JSON is sent."""


class FixedTarget(msgspec.Struct, frozen=True):
    """A target that stays as it is."""

    url: str
    secret: str = ""
    exclude_body: bool = False
