"""Which ClickHouse server the tests speak to: one whose address is given, else Docker's, else the stand-in."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from secrets import token_hex

ADDRESS_VARIABLE = "ROLLCALL_TEST_CLICKHOUSE"
COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"


@dataclass(frozen=True)
class Chosen:
    """A server: its warehouse_url with a database of its own, and whether it is a real one."""

    url: str
    real: bool


@cache
def docker_answers() -> bool:
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


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
            yield Chosen(f"clickhouse://127.0.0.1:{stack.enter_context(stand_in(folder))}/default", False)


@contextmanager
def stand_in(folder: Path, **forced: str) -> Iterator[int]:
    """The stand-in, as a process of its own; its port."""
    settings = [f"{name}={value}" for name, value in forced.items()]
    command = [sys.executable, "-m", "tests.warehouse.standin", str(folder), *settings]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=COMPOSE.parent) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()
