"""Which ClickHouse server the tests speak to: one whose address is given, else Docker's, else the stand-in."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from tests.docker import docker_answers

ADDRESS_VARIABLE = "ROLLCALL_TEST_CLICKHOUSE"
COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"


@dataclass(frozen=True)
class Chosen:
    """A server: its warehouse_url with a database of its own, and whether it is a real one."""

    url: str
    real: bool


def image() -> str:
    """The image of docker-compose.yml, so that what is tested is what is started."""
    [line] = [line for line in COMPOSE.read_text().splitlines() if "clickhouse/clickhouse-server:" in line]
    return line.split("image:")[1].strip()


def what() -> str:
    """For the header of the test run."""
    if os.environ.get(ADDRESS_VARIABLE):
        return f"the server given by {ADDRESS_VARIABLE}"
    if docker_answers():
        return f"{image()} in Docker, by testcontainers"
    return "NO REAL SERVER (no Docker): clickhouse-connect's HTTP client on chDB behind a stand-in and the SQL door"


@contextmanager
def server(folder: Path) -> Iterator[Chosen]:
    """A server with a database that nothing is in."""
    database = f"rollcall_test_{token_hex(4)}"
    with ExitStack() as stack:
        if address := os.environ.get(ADDRESS_VARIABLE):
            yield Chosen(f"{address.rstrip('/')}/{database}", True)
        elif docker_answers():
            from testcontainers.core.container import DockerContainer
            from testcontainers.core.wait_strategies import HttpWaitStrategy

            container = DockerContainer(image()).with_exposed_ports(8123).with_env("CLICKHOUSE_SKIP_USER_SETUP", "1")
            container.waiting_for(HttpWaitStrategy(8123, "/ping").for_status_code(200))
            stack.enter_context(container)
            where = f"{container.get_container_host_ip()}:{container.get_exposed_port(8123)}"
            yield Chosen(f"clickhouse://{where}/{database}", True)
        else:
            yield Chosen(stack.enter_context(stand_in(folder)).url, False)


class StandIn:
    """The stand-in, as a process of its own that can be killed and stopped at will.

    Args:
        folder: The files of the embedded engine that it answers from.
        forced: Settings that its profile does not let anyone change.
    """

    def __init__(self, folder: Path, **forced: str) -> None:
        self._folder = folder
        self._forced = [f"{name}={value}" for name, value in forced.items()]
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"clickhouse://127.0.0.1:{self.port}/default"

    def start(self) -> None:
        """Start it, at the port it had before."""
        command = [sys.executable, "-m", "tests.warehouse.standin", str(self._folder), str(self.port), *self._forced]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=COMPOSE.parent)
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
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)


@contextmanager
def stand_in(folder: Path, **forced: str) -> Iterator[StandIn]:
    """A stand-in that runs."""
    made = StandIn(folder, **forced)
    made.start()
    try:
        yield made
    finally:
        made.kill()
