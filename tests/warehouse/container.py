"""The ClickHouse server of docker-compose.yml in Docker: image, environment and users, with passwords of this run."""

from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex

from ..deploy.files import ROOT, services
from ..deploy.users import password_variables

PORT = 8123


def image() -> str:
    """What is started is what is tested."""
    return str(services()["clickhouse"]["image"])


@contextmanager
def in_docker() -> Iterator[dict[str, str]]:
    """Run it; give the address of the database `rollcall` for each user of deploy/clickhouse/users.xml."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import HttpWaitStrategy

    service, passwords = services()["clickhouse"], {name: token_hex(8) for name in password_variables()}
    container = DockerContainer(image()).with_exposed_ports(PORT)
    made_up = {variable: passwords[name] for name, variable in password_variables().items()}
    for name, value in {**service["environment"], **made_up}.items():
        container.with_env(name, value)
    for volume in service["volumes"]:
        source, target, *mode = volume.split(":")
        if source.startswith("./"):
            container.with_volume_mapping(str(ROOT / source), target, *mode)
    container.waiting_for(HttpWaitStrategy(PORT, "/ping").for_status_code(200))
    with container:
        where = f"{container.get_container_host_ip()}:{container.get_exposed_port(PORT)}/rollcall"
        yield {name: f"clickhouse://{name}:{password}@{where}" for name, password in passwords.items()}
