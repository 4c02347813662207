"""Where the warehouse is: an embedded chDB folder or a ClickHouse server."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rollcall.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Embedded:
    """A chDB folder on this machine."""

    path: Path

    @property
    def lock_path(self) -> Path:
        """The file that names the process holding the folder."""
        return self.path.with_name(self.path.name + ".lock")


@dataclass(frozen=True, slots=True)
class Server:
    """A ClickHouse server's HTTP interface."""

    host: str
    port: int
    username: str
    password: str
    database: str
    secure: bool

    def __repr__(self) -> str:
        return f"Server({self.host}:{self.port}/{self.database})"


def parse_warehouse_url(url: str) -> Embedded | Server:
    """Read ``warehouse_url``.

    Raises:
        SettingsError: It is none of the forms; the text never repeats a password.
    """
    parts = urlsplit(url)
    if parts.scheme == "chdb":
        if parts.netloc or not parts.path.strip("/"):
            raise SettingsError(
                "warehouse_url: write chdb:///absolute/path (three slashes), such as chdb:///var/rollcall/wh"
            )
        path = Path("/" + unquote(parts.path).lstrip("/")) if parts.path.startswith("/") else Path(unquote(parts.path))
        return Embedded(path.absolute())
    if parts.scheme in ("clickhouse", "clickhouses"):
        secure = parts.scheme == "clickhouses"
        try:
            port = parts.port or (8443 if secure else 8123)
        except ValueError:
            raise SettingsError("warehouse_url: the port is no number from 1 to 65535") from None
        if not parts.hostname:
            raise SettingsError("warehouse_url: names no host; write clickhouse://user@host:8123/rollcall")
        return Server(
            host=parts.hostname,
            port=port,
            username=unquote(parts.username or "default"),
            password=unquote(parts.password or ""),
            database=unquote(parts.path.strip("/")) or "rollcall",
            secure=secure,
        )
    raise SettingsError(
        "warehouse_url: unknown form; write chdb:///absolute/path for the embedded engine, or "
        "clickhouse://user@host:8123/rollcall (clickhouses:// with TLS) for a server"
    )
