"""The two engines: where `warehouse_url` says they are, who holds them, how a connection is opened, what errors mean.

Embedded chDB in this process, or a ClickHouse server over HTTP; both through clickhouse-connect.

chDB serves one process at a time. A lock file beside its folder is held with flock(2), which the kernel releases
however the process ends. It says who holds the files and where that process answers queries, so that other commands can
query it. An `up` holds a second one, so that the files stay its own while its engine is away.
"""

import ctypes
import fcntl
import os
import signal
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http.client import BadStatusLine
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
import msgspec
from clickhouse_connect.driver import Client

from rollcall.clock import require_known_zone
from rollcall.errors import SettingsError, WarehouseHeldError
from rollcall.settings.servers import WarehouseSettings
from rollcall.warehouse.access.roles import CLIENT


@dataclass(frozen=True, slots=True)
class Embedded:
    """A chDB folder on this machine."""

    path: Path

    @property
    def lock_path(self) -> Path:
        """The file that names the process holding the folder."""
        return self.path.with_name(self.path.name + ".lock")

    @property
    def front_lock_path(self) -> Path:
        """The file that names the `up` that the folder is for, also while its engine is away."""
        return self.path.with_name(self.path.name + ".up.lock")

    @property
    def token_path(self) -> Path:
        """The file of the SQL door's token, where the settings have none."""
        return self.path.with_name("sql_token")


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


_CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT)


@cache
def restore_fatal_signals() -> None:
    """Undo chDB's handlers of fatal signals; call it once the engine is loaded.

    They leave the process alive with an engine that refuses everything (ClickHouse error 236), or hang it. Dead, it is
    started again by whoever supervises it, and what it had accepted is on the log. Not `signal.signal`, which only the
    main thread may call.
    """
    libc = ctypes.CDLL(None)
    libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    libc.signal.restype = ctypes.c_void_p
    for number in _CRASHES:
        libc.signal(number, None)  # SIG_DFL


def require_embedded_engine() -> None:
    """Raise SettingsError unless the embedded engine is installed; it is not loaded."""
    found = find_spec("chdb")
    if found is None or not found.has_location:  # without one it is a mere folder, such as a warehouse of that name
        raise SettingsError(
            "warehouse_url: the embedded engine is not installed: pip install 'rollcall-jira[embedded]' "
            "(in a checkout: pip install '.[embedded]'), or set warehouse_url to a ClickHouse server"
        )
    require_known_zone()


def embedded_client(address: Embedded, settings: Mapping[str, Any]) -> Client:
    """Open a connection to the engine in this process; `require_consistent` has been called before."""
    address.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    client = clickhouse_connect.get_client(**CLIENT, path=str(address.path), settings=dict(settings))
    restore_fatal_signals()
    return client


def server_client(address: Server, options: WarehouseSettings, settings: Mapping[str, Any]) -> Client:
    """Open a connection to a ClickHouse server; `fitting` has been called before."""
    return clickhouse_connect.get_client(**server_arguments(address, options), settings=dict(settings))


def server_arguments(address: Server, options: WarehouseSettings) -> dict[str, Any]:
    """Return clickhouse-connect's parameters for a server."""
    password = options.password() or address.password
    tls: dict[str, Any] = {}
    if address.secure:
        tls["verify"] = options.verify
        if options.ca_file:
            tls["ca_cert"] = str(options.ca_file)
        if options.client_cert_file:
            tls |= {"client_cert": str(options.client_cert_file), "client_cert_key": str(options.client_key_file)}
            # With a password the certificate only opens the connection; without, it is who we are.
            tls["tls_mode"] = "strict" if password else "mutual"
    return {
        "host": address.host,
        "port": address.port,
        "username": address.username,
        "password": password,
        "database": address.database,
        "secure": address.secure,
        "autogenerate_session_id": False,
        "connect_timeout": 5,
        "send_receive_timeout": 300,
        **tls,
    }


def require_consistent(address: Embedded | Server, options: WarehouseSettings) -> None:
    """Raise SettingsError when `warehouse_url` and the `warehouse` settings contradict one another.

    Also when `warehouse_url` names the embedded engine and that is not installed.
    """
    if isinstance(address, Embedded):
        require_embedded_engine()
        if options != WarehouseSettings():
            raise SettingsError(
                "warehouse: these settings are for a ClickHouse server, but warehouse_url names the embedded engine; "
                "remove them, or name a server"
            )
        return
    if address.password and options.password_file:
        raise SettingsError("warehouse_url: holds a password beside warehouse.password_file; take it out of the URL")
    if options.has_tls and not address.secure:
        raise SettingsError(
            "warehouse: has certificates or verify = false, but warehouse_url is without TLS; write clickhouses://"
        )


_LONGEST = 300
"""Characters of an engine's error text that are passed on."""

UNKNOWN_CALLER = frozenset({192, 193, 194, 516})
"""ClickHouse error codes of a user that is unknown, or that did not prove to be that user."""

_OTHER_NAME = frozenset({62, 64})
"""OpenSSL's codes of a certificate that is for another host name or address."""

_OWN_FILES = "warehouse.ca_file, warehouse.client_cert_file, warehouse.client_key_file"


def error_text(error: Exception) -> str:
    """Return one line on an error of clickhouse-connect's: the setting and the remedy if it is of TLS or of the user.

    Nothing that a server says of a user is passed on.
    """
    if getattr(error, "code", None) in UNKNOWN_CALLER:
        return (
            "warehouse_url, warehouse.password_file: the server refuses the user or how it proves itself (ClickHouse "
            f"error {getattr(error, 'code', None)}); check name and password, or the client certificate"
        )
    for cause in _causes(error):
        if isinstance(cause, BadStatusLine | ConnectionResetError | ssl.SSLEOFError):
            return (
                "warehouse_url: the server hung up instead of answering. If it always does, its port may want TLS "
                "(clickhouses://), or a certificate of ours (warehouse.client_cert_file)"
            )
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _distrusted(cause)
        if isinstance(cause, ssl.SSLError):
            return _without_tls(cause)
    return _brief(error)


def _distrusted(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _OTHER_NAME:
        return (
            f"warehouse_url: the server's certificate is for another host ({error.verify_message}); write a host "
            "that it names"
        )
    return (
        f"warehouse.ca_file: the server's certificate cannot be trusted ({error.verify_message}); name the PEM file "
        "of the authority that signed it"
    )


def _without_tls(error: ssl.SSLError) -> str:
    reason = error.reason or str(error)
    if reason == "WRONG_VERSION_NUMBER":
        return "warehouse_url: no TLS is spoken at the server's port; write the port for TLS, or clickhouse://"
    return (
        f"{_OWN_FILES}: there is no TLS with the server ({reason[:_LONGEST]}); the files must be PEM, certificate "
        "and key of one another, and the certificate one that the server takes"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Go inwards; urllib3 keeps some of them as an argument only."""
    while error is not None:
        yield error
        inner = next((one for one in error.args if isinstance(one, BaseException)), None)
        error = error.__cause__ or error.__context__ or inner


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:_LONGEST]


_BRIEF = frozenset({"rollcall check", "rollcall query", "rollcall report"})
"""Commands that hold the files for no longer than some queries take, so that others wait for them."""

_BRIEF_SECONDS = 10.0
_LOOK_SECONDS = 0.05
_CLOSED = -1


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """What the holder says of itself.

    Attributes:
        pid: Its process id; of the engine of an `up`, that of the front, which is the one to stop.
        command: What it runs, such as ``rollcall up``.
        sql_url: Where its SQL door listens, empty while it has none.
        control_token: Lets who may read this file (the same user) order work of the holder, such as a rebuild.
    """

    pid: int
    command: str
    sql_url: str = ""
    control_token: str = ""

    @property
    def brief(self) -> bool:
        """Whether the holder is one of those that give up the files in a moment."""
        return self.command in _BRIEF

    @property
    def leaving(self) -> bool:
        """Whether the holder gives up the files in a moment: by what it runs, or because its `up` was killed."""
        return self.brief or not _alive(self.pid)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is there, and somebody else's
        return True
    return True


def _held_by(address: Embedded, other: Holding | None) -> WarehouseHeldError:
    who = f"process {other.pid} ({other.command})" if other else "another process"
    return WarehouseHeldError(
        f"{who} holds the embedded warehouse {address.path}, which serves one process at a "
        "time; stop it, or give this one another warehouse_url"
    )


def unusable(address: Embedded, error: OSError) -> SettingsError:
    """Return the error of a folder beside which no lock file can be made."""
    return SettingsError(
        f"warehouse_url: cannot use {address.path} ({error.strerror}); make the folder writable for this "
        "user or name another one"
    )


class _LockFile:
    """A file that one process holds, and that says which."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self) -> bool:
        """Take it, waiting some seconds for who gives it up in a moment; tell whether it was taken."""
        deadline = time.monotonic() + _BRIEF_SECONDS
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Nobody: it has just gone, has not said who it is yet, or is a `_read` for an instant.
                other = _read(self._path)
                if (other and not other.leaving) or time.monotonic() >= deadline:
                    return False
                time.sleep(_LOOK_SECONDS)
            else:
                return True

    def write(self, holding: Holding) -> None:
        """Say who holds it."""
        data = msgspec.json.encode(holding)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, data, 0)

    def close(self, *, taken: bool = True) -> None:
        """Give it up. Calling it again changes nothing."""
        # Forgotten before it is closed: a number that is closed twice may be another thread's file by then.
        descriptor, self._fd = self._fd, _CLOSED
        if descriptor != _CLOSED:
            try:
                if taken:
                    os.ftruncate(descriptor, 0)
            finally:
                os.close(descriptor)


class FrontHold:
    """What an `up` holds for as long as it runs, so that nobody takes the files while its engine is away."""

    def __init__(self, address: Embedded, command: str = "rollcall up") -> None:
        """Take the hold; others are told of the command.

        Raises:
            WarehouseHeldError: Another `up` has it, or a process has the files that will not give them up in a moment.
            SettingsError: The file cannot be made.
        """
        try:
            self._file = _LockFile(address.front_lock_path)
            if not self._file.take():
                self._file.close(taken=False)
                raise _held_by(address, _read(address.front_lock_path))
            self._file.write(Holding(pid=os.getpid(), command=command))
        except OSError as error:
            raise unusable(address, error) from None
        # Only now: who takes the files looks at this hold once it has them.
        if (other := _read(address.lock_path)) and not other.leaving:
            self.close()
            raise _held_by(address, other)

    def close(self) -> None:
        """Give the hold up. Calling it again changes nothing."""
        self._file.close()


class Holder:
    """The exclusive hold on an embedded warehouse; release it by `close`."""

    def __init__(self, address: Embedded, command: str, pid: int | None = None) -> None:
        """Take the hold, waiting some seconds for a command that only looks at something.

        Args:
            address: The files.
            command: What this process runs, shown to others.
            pid: The process that others are told of, the front of an engine; None for this one.

        Raises:
            WarehouseHeldError: Another process has it, or an `up` whose engine is away; the text names it.
        """
        self.address = address
        self._file = _LockFile(address.lock_path)
        if not self._file.take():
            self._file.close(taken=False)
            raise _held_by(address, _read(address.lock_path))
        self.holding = Holding(pid=pid or os.getpid(), command=command)
        if (front := _read(address.front_lock_path)) and front.pid != self.holding.pid:
            self._file.close()
            raise _held_by(address, front)
        self._file.write(self.holding)

    def announce(self, sql_url: str, control_token: str) -> None:
        """Say where other commands can query while this process holds the files."""
        self.holding = Holding(
            pid=self.holding.pid, command=self.holding.command, sql_url=sql_url, control_token=control_token
        )
        self._file.write(self.holding)

    def close(self) -> None:
        """Give the hold up. Calling it again changes nothing."""
        self._file.close()


def read_holding(address: Embedded) -> Holding | None:
    """Return what the holder of the files says of itself, or the `up` whose engine is away.

    None when nobody holds them, or the holder says nothing yet.
    """
    return _read(address.lock_path) or _read(address.front_lock_path)


def _read(lock_path: Path) -> Holding | None:
    try:
        with lock_path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return msgspec.json.decode(file.read(), type=Holding)
            return None
    except (OSError, msgspec.DecodeError):
        return None
