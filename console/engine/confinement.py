"""The engine process, confined by the Linux kernel (Landlock) to the files and ports that it needs.

Whatever a query brings the engine to do, it reads and writes the warehouse's folder and the log's files, reads
libraries and time zones, takes connections on its listeners, and opens none; on Kafka alone it connects to the brokers.
The process cannot undo it, and it holds for all threads and processes that come of it.

The kernel's interface is small and stable (landlock(7)). The one package for it, `landlock`, is an alpha and knows no
ports.
"""

import ctypes
import glob
import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import suppress
from enum import IntFlag
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from rollcall.eventlog.log_url import sqlite_file
from rollcall.settings import Settings
from rollcall.warehouse.engines import Embedded, parse_warehouse_url

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""Numbers of the system calls, the same on every architecture."""

_ASK_VERSION = 1
_PR_SET_NO_NEW_PRIVS = 38
_PATH_BENEATH, _NET_PORT = 1, 2
_PORTS_FROM, _SCOPES_FROM = 4, 6
"""Versions of Landlock from which it knows ports and signals."""


class Access(IntFlag):
    """What a process may do with files, as the kernel numbers it."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


_NEW = {2: Access.REFER, 3: Access.TRUNCATE, 5: Access.IOCTL_DEV}
"""What a version of Landlock brought; before it the kernel refuses the bit, and does not confine that."""

_OF_FILES = Access.EXECUTE | Access.WRITE_FILE | Access.READ_FILE | Access.TRUNCATE | Access.IOCTL_DEV
"""What can be said of a file; the rest is of folders."""

_READ = Access.READ_FILE | Access.READ_DIR | Access.EXECUTE
_KEEP = (
    _READ
    | Access.WRITE_FILE
    | Access.TRUNCATE
    | Access.REFER
    | Access.MAKE_REG
    | Access.MAKE_DIR
    | Access.MAKE_SYM
    | Access.REMOVE_FILE
    | Access.REMOVE_DIR
)
_BIND_TCP, _CONNECT_TCP = 1, 2
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2

_LIBRARIES = ("/usr", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store")
_OF_THE_SYSTEM = (
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/timezone",
    "/proc/self",
    "/proc/meminfo",
    "/proc/cpuinfo",
    "/proc/stat",
    "/proc/sys/vm",
    "/proc/sys/kernel",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/dev/urandom",
)
_OF_THE_NETWORK = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/ssl",
)


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("ports", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _PortRule(ctypes.Structure):
    _fields_ = (("access", ctypes.c_uint64), ("port", ctypes.c_uint64))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    ctypes.set_errno(0)
    result = int(_libc().syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


@cache
def version() -> int:
    """Return the kernel's version of Landlock; 0 where it has none."""
    if sys.platform != "linux":
        return 0
    try:
        return _call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION))
    except OSError:
        return 0


def unconfined() -> str:
    """Return what the kernel of this machine cannot keep the engine from, in words; empty when it confines it whole."""
    if sys.platform != "linux":
        return "files and ports, which only Linux can"
    if not version():
        return "files and ports: this kernel has no Landlock, or it is switched off (Linux 5.13 and later have it)"
    return "" if version() >= _PORTS_FROM else "ports, which Linux 6.7 and later can"


def confine(settings: Settings) -> str:
    """Confine this process, which has one thread yet, for good. The warehouse's folder is made if it is missing.

    Args:
        settings: Those of the engine, with absolute paths.

    Returns:
        What it is not kept from, see `unconfined`.
    """
    if not (known := version()):
        return unconfined()
    warehouse = parse_warehouse_url(settings.warehouse_url)
    if isinstance(warehouse, Embedded):
        os.environ["TMPDIR"] = str(
            warehouse.path / "tmp"
        )  # the engine makes a folder of its own there, here in its own
        with suppress(OSError):  # who opens them says so better
            (warehouse.path / "tmp").mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(warehouse.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    files = Access(sum(Access))
    for since, access in _NEW.items():
        if known < since:
            files &= ~access
    on_kafka = sqlite_file(settings.log_url) is None
    ports = 0 if known < _PORTS_FROM else _BIND_TCP if on_kafka else _BIND_TCP | _CONNECT_TCP
    scopes = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if known >= _SCOPES_FROM else 0
    attributes = _Ruleset(files, ports, scopes)
    size = 24 if known >= _SCOPES_FROM else 16 if known >= _PORTS_FROM else 8
    ruleset = _call(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0))
    try:
        for path in _readable(settings, on_kafka=on_kafka):
            _allow(ruleset, path, _READ & files)
        for path, access in _own(settings):
            _allow(ruleset, path, access & files)
        _allow(ruleset, Path("/dev/null"), _READ | Access.WRITE_FILE)
        if ports:
            for port in _listened(settings):
                rule = _PortRule(_BIND_TCP, port)
                _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_NET_PORT), ctypes.byref(rule), ctypes.c_uint32(0))
        if _libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
        _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)
    return unconfined()


def _allow(ruleset: int, path: Path, access: Access) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # not on this machine; where it is needed, what opens it says so
    try:
        if not path.is_dir():
            access &= _OF_FILES
        rule = _PathRule(access, opened)
        _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), ctypes.byref(rule), ctypes.c_uint32(0))
    finally:
        os.close(opened)


def _own(settings: Settings) -> Iterator[tuple[Path, Access]]:
    """Give what is the engine's: the warehouse with its lock, and of the log's folder the log's own files.

    Those are there: the front has the log open for as long as there is an engine.
    """
    warehouse = parse_warehouse_url(settings.warehouse_url)
    if isinstance(warehouse, Embedded):
        yield warehouse.path, _KEEP
        yield warehouse.lock_path, _KEEP
    if log := sqlite_file(settings.log_url):
        yield log.parent, Access.READ_DIR
        for path in log.parent.glob(f"{glob.escape(log.name)}*"):
            yield path, _KEEP
    if measured := sys.modules.get("coverage"):  # in Rollcall's own tests
        yield Path(measured.Coverage.current().config.data_file).absolute().parent, _KEEP


def _readable(settings: Settings, *, on_kafka: bool) -> Iterator[Path]:
    """Give what the engine and Python read: no file of anybody's."""
    own = (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, *sysconfig.get_paths().values())
    yield from map(Path, {*own, *site.getsitepackages(), *_LIBRARIES, *_OF_THE_SYSTEM, *_of_modules()})
    if on_kafka:
        yield from map(Path, _OF_THE_NETWORK)
        kafka = settings.kafka
        given = (kafka.ca_file, kafka.client_cert_file, kafka.client_key_file, kafka.password_file)
        yield from filter(None, (*given, kafka.client_key_password_file))


def _of_modules() -> Iterable[str]:
    """Where modules come from: the path without this folder itself, and packages that are installed elsewhere."""
    yield from filter(None, sys.path)
    for module in list(sys.modules.values()):
        yield from getattr(module, "__path__", ())
    maps = os.fsdecode(Path("/proc/self/maps").read_bytes())
    yield from {line.split(" ", 5)[-1].lstrip() for line in maps.splitlines() if "/" in line}


def _listened(settings: Settings) -> Iterator[int]:
    """Give the ports that it listens on; 0 is whichever is free."""
    yield 0
    if settings.sql_listen and (port := urlsplit(f"//{settings.sql_listen}").port):
        yield port
