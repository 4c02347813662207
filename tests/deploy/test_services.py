"""The services of docker-compose.yml, each started with what it gets there and nothing else: no secret is missing.

Addresses are of this machine, the log is SQLite, and ClickHouse is chDB with deploy/clickhouse/users.xml, so that each
comes as the user whose password it has.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from ..endtoend.installation import PATIENCE, signature, unmeasured
from ..endtoend.webhooks import comment_created
from ..ports import free_port
from ..warehouse.guard import Guard, guard_of
from ..warehouse.servers import StandIn, guarded
from .files import ROOT, services

SECRET = "0123456789abcdef0123456789abcdef"
"""The value of every secret but ClickHouse's passwords."""

OF_USER = {"rollcall": "CLICKHOUSE_PASSWORD", "dashboards": "CLICKHOUSE_DASHBOARDS_PASSWORD"}
_, BODY = comment_created(1)
PERSON: str = json.loads(BODY)["comment"]["author"]["accountId"]


@dataclass
class Stack:
    """What the services share: a folder, a Jira site, and a ClickHouse of one user at a time.

    Attributes:
        folder: For all files.
        jira: Of the simulated site: its address, the e-mail and the token.
        ports: Where the services listen, by the port in the file.
    """

    folder: Path
    jira: Mapping[str, str]
    guards: dict[str, Guard] = field(default_factory=lambda: {user: guard_of(user) for user in OF_USER})
    ports: dict[str, int] = field(default_factory=lambda: {port: free_port() for port in ("8080", "8081", "8082")})

    @contextmanager
    def clickhouse(self, user: str) -> Iterator[StandIn]:
        """Open the warehouse to one user of the file."""
        with guarded(self.folder / "warehouse", self.guards[user]) as server:
            yield server

    def environment(self, name: str, server: StandIn | None) -> dict[str, str]:
        """All variables of a service, with addresses of this machine."""
        filled = {"ACME_API_TOKEN": self.jira["token"]}
        filled |= {variable: self.guards[user].password for user, variable in OF_USER.items()}
        places = {
            "kafka://kafka:9092": f"sqlite://{self.folder}/events.db",
            "@clickhouse:8123": f"@127.0.0.1:{server.port if server else 1}",
            "/etc/rollcall/settings.toml": str(ROOT / "deploy" / "settings.toml"),
            "/var/rollcall": str(self.folder),
            **{f"0.0.0.0:{inside}": f"127.0.0.1:{port}" for inside, port in self.ports.items()},
        }
        made = {}
        for variable, value in services()[name]["environment"].items():
            text = re.sub(r"\$\{(\w+)[^}]*\}", lambda found: filled.get(found[1], SECRET), value)
            for inside, here in places.items():
                text = text.replace(inside, here)
            made[variable] = text
        # Of deploy/settings.toml, which a user would edit.
        made |= {"ROLLCALL_SITES__ACME__URL": self.jira["address"], "ROLLCALL_SITES__ACME__EMAIL": self.jira["email"]}
        needed = {variable: value for variable, value in unmeasured().items() if variable in ("PATH", "PYTHONPATH")}
        return needed | made

    def run(self, name: str, server: StandIn | None, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a service that ends by itself, or another command in its place."""
        return subprocess.run(
            [sys.executable, "-P", "-m", "console", *(command or services()[name]["command"])],
            env={"PYTHONPATH": str(ROOT), **self.environment(name, server)},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    @contextmanager
    def running(self, name: str, server: StandIn | None, port: str) -> Iterator[str]:
        """Run a service while the block lasts, once it is ready; give its address. It must end in order."""
        said = self.folder / f"{name}.log"
        with said.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "console", *services()[name]["command"]],
                env={"PYTHONPATH": str(ROOT), **self.environment(name, server)},
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        url = f"http://127.0.0.1:{self.ports[port]}"
        try:
            deadline = time.monotonic() + PATIENCE
            while True:
                assert process.poll() is None, said.read_text()
                assert time.monotonic() < deadline, said.read_text()
                with suppress(httpx.TransportError):
                    if httpx.get(f"{url}/readyz", timeout=10).status_code == httpx.codes.OK:
                        break
                time.sleep(0.1)
            yield url
            process.terminate()
            assert process.wait(PATIENCE) == 0, said.read_text()
        finally:
            process.kill()
            process.wait()
        assert "Traceback" not in said.read_text()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    command = [sys.executable, "-m", "simulator", "serve", "--people", "5", "--days", "2", "--speed", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | unmeasured()) as site:
        try:
            assert site.stdout
            yield Stack(tmp_path, json.loads(site.stdout.readline()))
        finally:
            site.terminate()


def test_each_does_its_work_with_the_secrets_it_has(stack: Stack) -> None:
    with stack.clickhouse("rollcall") as server:
        migrated = stack.run("migrate", server)
        assert migrated.returncode == 0, migrated.stderr
        with stack.running("ingest", None, "8080") as url:
            answer = httpx.post(f"{url}/webhooks/acme", content=BODY, headers=signature(BODY, SECRET))
            assert answer.status_code == 204
            assert httpx.get(f"{url}/readyz").json() == {"log": "ok"}
        with stack.running("consumer", server, "8081"):
            reconciled = stack.run("reconciler", server, "reconcile")
            assert reconciled.returncode == 0, reconciled.stderr
            checked = stack.run("reconciler", server, "check", "--format", "json")
            found = {row["subject"]: row for row in json.loads(checked.stdout)}
            assert found["insert settings"]["ok"]
            assert found["schema"]["ok"]
            assert found["site acme"]["ok"]
            assert "0 not yet in the warehouse" in found["event log"]["found"]
    with stack.clickhouse("dashboards") as server, stack.running("dashboard", server, "8082") as url:
        answer = httpx.get(url, auth=("anybody", SECRET), timeout=60)
        assert (answer.status_code, PERSON in answer.text) == (200, True), answer.text
        assert "nobody signed" not in answer.text
        assert httpx.get(url, timeout=60, follow_redirects=False).status_code == 303


def test_what_has_no_secret_of_webhooks_takes_none(stack: Stack) -> None:
    """Who starts `ingest` with the environment of another service is told what is missing."""
    for name in ("migrate", "consumer", "reconciler", "dashboard"):
        done = stack.run(name, None, "ingest")
        assert done.returncode == 2
        assert "signed_elsewhere = true" in done.stderr
