"""docker-compose.yml: everything it names exists, nothing in it is secret, and every service is held in bounds."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rollcall.runtime import topics_of
from rollcall.warehouse.engines import Embedded, Server, parse_warehouse_url
from tools.reference.commands import all_commands

from ..docker import docker_answers
from .files import COMPOSE, OURS, ROOT, compose, services, settings_of, variables

ALL = sorted(services())
ONE_SHOT = {"migrate", "reconciler"}
"""Without a port to ask."""


def typed(name: str) -> str:
    """What a service of ours runs."""
    service = services()[name]
    if entry := service.get("entrypoint"):
        script = (ROOT / "deploy" / entry[0]).read_text()
        [(program, command)] = re.findall(r'Popen\(\["(\w+)", "(\w+)"\]\)', script)
        return f"{program} {command}"
    return " ".join(["rollcall", *service["command"]])


@pytest.mark.parametrize("name", OURS)
def test_the_command_exists(name: str) -> None:
    assert typed(name) in all_commands()


@pytest.mark.parametrize("name", OURS)
def test_its_settings_can_be_loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(variable.startswith("ROLLCALL_") for variable in services()[name]["environment"])
    settings = settings_of(name, monkeypatch)
    assert settings.sites["acme"].secrets() == ([b"0123456789abcdef"] if name == "ingest" else [])
    assert settings.sites["acme"].signed_elsewhere == (name != "ingest")
    assert settings.log_url.startswith("kafka://kafka:")
    assert [topic.name for topic in topics_of(settings).all()]
    address = parse_warehouse_url(settings.warehouse_url)
    if name == "ingest":
        assert isinstance(address, Embedded), "it asks no warehouse, and gets no address of one"
    else:
        assert isinstance(address, Server)
        assert (address.host, address.username) == ("clickhouse", "dashboards" if name == "dashboard" else "rollcall")


@pytest.mark.parametrize("name", ALL)
def test_what_is_mounted_exists(name: str) -> None:
    for volume in services()[name].get("volumes", []):
        source, _, rest = volume.partition(":")
        if source.startswith("."):
            assert (ROOT / source).exists()
            assert rest.endswith(":ro")
        else:
            assert source in compose()["volumes"]


@pytest.mark.parametrize("name", ALL)
def test_it_is_held_in_bounds(name: str) -> None:
    service = services()[name]
    limits = service["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) > 0
    assert re.fullmatch(r"\d+[mg]", limits["memory"])
    assert "no-new-privileges:true" in service["security_opt"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    check = service["healthcheck"]
    assert check.get("disable") is (True if name in ONE_SHOT else None)
    assert name in ONE_SHOT or check["test"][0] == "CMD"
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert any(place.startswith("/tmp:") and "size=" in place for place in service["tmpfs"])
    assert "privileged" not in service
    if name in OURS:
        assert service["user"] == "10001:10001"


@pytest.mark.parametrize("name", ALL)
def test_images_are_pinned_to_a_whole_version_and_a_digest(name: str) -> None:
    version, at, digest = services()[name]["image"].partition("@")
    assert re.fullmatch(r"[\w/-]+:\d+\.\d+\.\d+(\.\d+)*", version)
    if name in OURS:
        assert not at, "it is built here"
    else:
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest)


def secrets_in(node: Any, path: str = "") -> list[str]:
    """Places that look like a secret and hold a text instead of a variable."""
    if isinstance(node, dict):
        return [one for key, value in node.items() for one in secrets_in(value, f"{path}.{key}")]
    if isinstance(node, list):
        return [one for value in node for one in secrets_in(value, path)]
    named = re.search(r"PASSWORD|SECRET|TOKEN", path.rpartition(".")[2])
    in_url = re.search(r"://[^/@:]*:[^/@]+@", re.sub(r"\$\{[^}]*\}", "", str(node)))
    return [path] if in_url or (named and not re.fullmatch(r"(\[\")?\$\{\w+[^}]*\}(\"\])?", str(node))) else []


def test_no_password_stands_in_it() -> None:
    assert secrets_in(compose()) == []
    assert secrets_in({"A_PASSWORD": "x", "URL": "http://a:b@c/"}) == [".A_PASSWORD", ".URL"]


def test_every_variable_is_made_by_make_env() -> None:
    template = (ROOT / "deploy" / "env.template").read_text()
    made = set(re.findall(r"^(\w+)=", template, re.MULTILINE))
    assert variables(COMPOSE.read_text()) == made


def test_docker_understands_it(tmp_path: Path) -> None:
    """`docker compose config`, where the client has it."""
    docker = shutil.which("docker")
    has_it = docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0
    if not has_it:
        assert not docker_answers(), "a machine that runs containers should have docker compose"
        pytest.skip("there is no docker compose")
    assert docker
    values = tmp_path / "env"
    values.write_text("".join(f"{name}=0123456789abcdef\n" for name in variables(COMPOSE.read_text())))
    done = subprocess.run(
        [docker, "compose", "--env-file", str(values), "-f", str(COMPOSE), "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_each_service_has_the_secrets_that_it_needs_and_no_other() -> None:
    """tests/deploy/test_services.py starts each without the others."""
    secrets = variables(COMPOSE.read_text()) - {"KAFKA_CLUSTER_ID"}
    holders = {
        variable: {name for name in ALL if f"${{{variable}:" in str(services()[name].get("environment", {}))}
        for variable in secrets
    }
    assert holders == {
        "CLICKHOUSE_PASSWORD": {"clickhouse", "migrate", "consumer", "reconciler"},
        "CLICKHOUSE_DASHBOARDS_PASSWORD": {"clickhouse", "dashboard", "grafana"},
        "ACME_WEBHOOK_SECRET": {"ingest"},
        "ACME_API_TOKEN": {"reconciler"},
        "PAGE_PASSWORD": {"dashboard"},
        "GRAFANA_ADMIN_PASSWORD": {"grafana"},
    }
