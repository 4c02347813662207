"""Whom the stand-in lets in, over what, and with which rights."""

from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex


@dataclass(frozen=True)
class Guard:
    """What stands before the stand-in; by itself nothing.

    Attributes:
        user: The only one who comes in; empty lets in everybody.
        password: Of the user; empty if only a certificate will do.
        of_the_file: Whether the user is one of deploy/clickhouse/users.xml, and has the rights that it gives.
        certificate: PEM file of the server's key and certificate; the stand-in speaks TLS.
        authority: PEM file of who must have signed the certificates of clients.
    """

    user: str = ""
    password: str = field(default="", repr=False)
    of_the_file: bool = False
    certificate: Path | None = None
    authority: Path | None = None

    @property
    def arguments(self) -> list[str]:
        """What the stand-in is started with."""
        given = {"user": self.user, "password": self.password}
        given |= {"certificate": str(self.certificate or ""), "authority": str(self.authority or "")}
        flags = ["--of-the-file"] if self.of_the_file else []
        return [*flags, *(f"--{name}={value}" for name, value in given.items() if value)]


def guard_of(user: str) -> Guard:
    """A guard for a user of deploy/clickhouse/users.xml."""
    return Guard(user, token_hex(8), of_the_file=True)
