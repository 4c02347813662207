"""What is deployed, as data."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollcall.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
OURS = ("migrate", "ingest", "consumer", "reconciler", "dashboard")
"""Services of our own image."""


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return loaded


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def filled(value: str) -> str:
    """A value as compose fills it, every variable with the same harmless text."""
    return re.sub(r"\$\{(\w+)[^}]*\}", "0123456789abcdef", value)


def settings_of(name: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What a service of ours takes from its environment and its file."""
    service = services()[name]
    mounted = dict(volume.split(":")[1::-1] for volume in service["volumes"])
    with monkeypatch.context() as patch:
        for variable, value in service["environment"].items():
            patch.setenv(variable, filled(value))
        patch.setenv("ROLLCALL_CONFIG", str(ROOT / mounted[service["environment"]["ROLLCALL_CONFIG"]]))
        return load_settings()


def variables(text: str) -> set[str]:
    return set(re.findall(r"\$\{(\w+)", text))


def grants(path: Path = ROOT / "deploy" / "clickhouse" / "users.xml") -> list[str]:
    """What a file of users grants on tables and databases, to users and roles."""
    return [one for one in re.findall(r"<query>(.*?)</query>", path.read_text(encoding="utf-8")) if " ON " in one]


READABLE = frozenset(
    one.removeprefix("GRANT SELECT ON rollcall.") for one in grants() if one.startswith("GRANT SELECT ON rollcall.")
)
"""The tables and views that readers are granted."""
