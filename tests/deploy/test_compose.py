"""docker-compose.yml: everything it names exists, nothing in it is secret, and every service is held in bounds."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rollcall.runtime import topics_of
from rollcall.warehouse.engines import Server, parse_warehouse_url
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
    assert settings.sites["acme"].secrets() == [b"0123456789abcdef"]
    assert settings.log_url.startswith("kafka://kafka:")
    assert [topic.name for topic in topics_of(settings).all()]
    address = parse_warehouse_url(settings.warehouse_url)
    assert isinstance(address, Server)
    assert (address.host, address.username) == ("clickhouse", "rollcall")


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
    if name in OURS:
        assert service["read_only"]
        assert service["user"] == "10001:10001"
        assert service["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("name", ALL)
def test_images_are_pinned_to_a_whole_version(name: str) -> None:
    assert re.fullmatch(r"[\w/-]+:\d+\.\d+\.\d+(\.\d+)*", services()[name]["image"])


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


def test_the_token_of_jira_is_with_the_reconciler_alone() -> None:
    holders = [name for name in ALL if "ACME_API_TOKEN" in str(services()[name].get("environment", {}))]
    assert holders == ["reconciler"]


def test_who_holds_which_password() -> None:
    """The page's and Grafana's are with one each, and Grafana never has the writer's."""
    holders = {
        variable: [name for name in ALL if f"{{{variable}:" in str(services()[name].get("environment", {}))]
        for variable in ("PAGE_PASSWORD", "GRAFANA_ADMIN_PASSWORD", "CLICKHOUSE_DASHBOARDS_PASSWORD")
    }
    assert holders == {
        "PAGE_PASSWORD": ["dashboard"],
        "GRAFANA_ADMIN_PASSWORD": ["grafana"],
        "CLICKHOUSE_DASHBOARDS_PASSWORD": ["clickhouse", "grafana"],
    }
    assert "{CLICKHOUSE_PASSWORD:" not in str(services()["grafana"]["environment"])
