"""What clickhouse-connect is told, and which settings contradict one another."""

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rollcall.errors import SettingsError
from rollcall.settings import WarehouseSettings
from rollcall.warehouse.engines import (
    Server,
    parse_warehouse_url,
    require_consistent,
    require_embedded_engine,
    server_arguments,
)

SECURE = "clickhouses://writer@ch.example:9440/rollcall"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    made = {name: tmp_path / name for name in ("ca", "cert", "key", "password")}
    for path in made.values():
        path.write_text("  a secret\n")
    return made


def told(url: str, **options: Any) -> dict[str, Any]:
    address = parse_warehouse_url(url)
    assert isinstance(address, Server)
    made = WarehouseSettings(**options)
    require_consistent(address, made)
    return server_arguments(address, made)


def test_the_password_comes_from_the_file(files: dict[str, Path]) -> None:
    assert told(SECURE, password_file=files["password"])["password"] == "a secret"
    assert told("clickhouses://writer:inline@ch.example/rollcall")["password"] == "inline"


def test_certificates_are_checked_unless_told_otherwise(files: dict[str, Path]) -> None:
    assert told(SECURE)["verify"] is True
    assert told(SECURE, ca_file=files["ca"])["ca_cert"] == str(files["ca"])
    assert told(SECURE, verify=False)["verify"] is False


@pytest.mark.parametrize(("password", "mode"), [(True, "strict"), (False, "mutual")])
def test_a_client_certificate(files: dict[str, Path], password: bool, mode: str) -> None:
    options: dict[str, Any] = {"client_cert_file": files["cert"], "client_key_file": files["key"]}
    if password:
        options["password_file"] = files["password"]
    found = told(SECURE, **options)
    assert (found["client_cert"], found["client_cert_key"]) == (str(files["cert"]), str(files["key"]))
    assert found["tls_mode"] == mode


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("chdb:///var/rollcall/warehouse", {"cluster": "main"}, "embedded engine"),
        ("clickhouse://writer@ch.example/rollcall", {"verify": False}, "clickhouses://"),
        ("clickhouses://writer:inline@ch.example/rollcall", {"password_file": "password"}, "beside"),
    ],
)
def test_contradictions_are_refused(url: str, options: dict[str, Any], said: str, files: dict[str, Path]) -> None:
    settings = WarehouseSettings(**{name: files.get(str(value), value) for name, value in options.items()})
    with pytest.raises(SettingsError, match=said) as refused:
        require_consistent(parse_warehouse_url(url), settings)
    assert "inline" not in str(refused.value)


@pytest.mark.parametrize(
    "options",
    [
        {"client_cert_file": "cert"},
        {"ca_file": "ca", "verify": False},
        {"ca_file": "nowhere"},
        {"password_file": "nowhere"},
        {"cluster": "x` DROP"},
    ],
    ids=lambda options: "-".join(options),
)
def test_settings_that_cannot_work_are_refused(options: dict[str, Any], files: dict[str, Path]) -> None:
    with pytest.raises(ValidationError):
        WarehouseSettings(**{name: files.get(str(value), value) for name, value in options.items()})


def test_a_folder_that_is_named_like_the_engine_is_not_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -m console` looks into the working directory, where a warehouse may be called chdb."""
    require_embedded_engine()
    (tmp_path / "chdb").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for name in [name for name in sys.modules if name.partition(".")[0] == "chdb"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(SettingsError, match="not installed"):
        require_embedded_engine()


@pytest.mark.parametrize("zone", ["Nowhere/Land", "../etc/passwd", "CET-1CEST-2"])
def test_a_time_zone_that_nobody_knows_is_named(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    with pytest.raises(SettingsError, match="environment variable TZ"):
        require_embedded_engine()


@pytest.mark.parametrize("zone", ["", "UTC", ":Europe/Berlin", "/etc/localtime"])
def test_a_time_zone_that_is_known_is_fine(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    require_embedded_engine()
