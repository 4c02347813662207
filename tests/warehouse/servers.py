"""Which ClickHouse server the tests speak to: one whose address is given, else Docker's, else the stand-in."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

from tests.docker import docker_answers
from tests.hanging import hang

from .container import image, in_docker
from .guard import Guard, guard_of

ADDRESS_VARIABLE = "ROLLCALL_TEST_CLICKHOUSE"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Chosen:
    """A server that is ours to fill.

    Attributes:
        url: Its warehouse_url, with a database of its own.
        real: Whether it is a real server.
        by_user: The same for each user of deploy/clickhouse/users.xml, if the server has them all at once.
    """

    url: str
    real: bool
    by_user: Mapping[str, str] = field(default_factory=dict, repr=False)


OF_THE_FILE = "tests/warehouse/test_users.py"
"""Needs the users of deploy/clickhouse/users.xml."""

SOAKING = (
    "tests/seats/test_acts_by_project.py",
    "tests/seats/test_verdict.py",
    "tests/warehouse/test_directory_parts.py",
    "tests/warehouse/test_erasure.py",
    "tests/warehouse/test_identity.py",
    "tests/warehouse/test_rebuild.py",
    "tests/warehouse/test_rollups.py",
)
"""Those that speak to a real server always, and to the stand-in in `make soak` only."""

SPEAKING = (
    "tests/consumers/test_writers.py",
    "tests/transfer/test_round_trip.py",
    *SOAKING,
    "tests/warehouse/test_server.py",
    OF_THE_FILE,
)
"""The tests that speak to it, most of them to the embedded engine too. All others are on the embedded engine alone, but
for those that need a stand-in to harm, to put behind TLS or to hold settings."""


def what() -> str:
    """For the header of the test run."""
    left_out = {OF_THE_FILE} if os.environ.get(ADDRESS_VARIABLE) else set()
    later = "" if is_real() else f", of these {', '.join(SOAKING)} to the stand-in only in `make soak`"
    return f"{_which()}; {', '.join(name for name in SPEAKING if name not in left_out)} speak to it{later}"


def is_real() -> bool:
    """Whether it is ClickHouse's server, and no stand-in."""
    return bool(os.environ.get(ADDRESS_VARIABLE)) or docker_answers()


def _which() -> str:
    if os.environ.get(ADDRESS_VARIABLE):
        return f"the server given by {ADDRESS_VARIABLE}"
    if docker_answers():
        return f"{image()} in Docker, with deploy/clickhouse/users.xml"
    return "NO REAL SERVER (no Docker), a stand-in: chDB with deploy/clickhouse/users.xml, behind HTTP"


@contextmanager
def server(folder: Path) -> Iterator[Chosen]:
    """A server to fill; Docker's and the stand-in are come to as `rollcall` of deploy/clickhouse/users.xml."""
    with ExitStack() as stack:
        if address := os.environ.get(ADDRESS_VARIABLE):
            yield Chosen(f"{address.rstrip('/')}/rollcall_test_{token_hex(4)}", True)
        elif docker_answers():
            by_user = stack.enter_context(in_docker())
            yield Chosen(by_user["rollcall"], True, by_user)
        else:
            made = stack.enter_context(guarded(folder, guard_of("rollcall")))
            yield Chosen(made.address("rollcall"), False)


class StandIn:
    """The stand-in, as a process of its own that can be killed and stopped at will.

    Args:
        folder: The files of the embedded engine that it answers from.
        guard: Whom it lets in; without one everybody, who may do everything.
        forced: Settings that its profile does not let anyone change.
        config: A configuration of the engine.
    """

    def __init__(
        self,
        folder: Path,
        guard: Guard | None = None,
        forced: Mapping[str, str] | None = None,
        config: Path | None = None,
    ) -> None:
        self._folder = folder
        self._configured = [f"--config={config}"] if config else []
        self.guard = guard or Guard()
        self._forced = [f"{name}={value}" for name, value in (forced or {}).items()]
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return self.address("default")

    def address(self, database: str) -> str:
        """Where its guard lets one in."""
        scheme = "clickhouses" if self.guard.certificate else "clickhouse"
        user = f"{self.guard.user}:{self.guard.password}@" if self.guard.user else ""
        return f"{scheme}://{user}127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, at the port it had before."""
        command = [sys.executable, "-m", "tests.warehouse.standin", str(self._folder), str(self.port)]
        command += [*self._forced, *self._configured, *self.guard.arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        """SIGKILL, whatever state it is in."""
        assert self._process
        self._process.kill()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()

    def hang(self) -> None:
        """SIGSTOP: connections stay open, and nothing answers on them."""
        assert self._process
        hang(self._process.pid)

    def go_on(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)


@contextmanager
def stand_in(folder: Path, **forced: str) -> Iterator[StandIn]:
    """A stand-in that runs and lets everybody in."""
    with _running(StandIn(folder, forced=forced)) as made:
        yield made


@contextmanager
def guarded(folder: Path, guard: Guard) -> Iterator[StandIn]:
    """A stand-in that runs behind a guard."""
    with _running(StandIn(folder, guard)) as made:
        yield made


@contextmanager
def _running(made: StandIn) -> Iterator[StandIn]:
    made.start()
    try:
        yield made
    finally:
        made.kill()
