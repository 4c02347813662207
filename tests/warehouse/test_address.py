"""The forms of `warehouse_url`, and what is none."""

from pathlib import Path

import pytest

from rollcall.errors import SettingsError
from rollcall.warehouse.engines import Embedded, Server, parse_warehouse_url


@pytest.mark.parametrize("url", ["chdb:///var/rollcall/wh", "chdb:////var/rollcall/wh"])
def test_an_embedded_folder(url: str) -> None:
    address = parse_warehouse_url(url)
    assert address == Embedded(Path("/var/rollcall/wh"))
    assert isinstance(address, Embedded)
    assert address.lock_path == Path("/var/rollcall/wh.lock")


def test_servers() -> None:
    plain = parse_warehouse_url("clickhouse://anna:p%40ss@db.example/facts")
    assert isinstance(plain, Server)
    assert (plain.host, plain.port, plain.username, plain.password) == ("db.example", 8123, "anna", "p@ss")
    assert (plain.database, plain.secure) == ("facts", False)
    secure = parse_warehouse_url("clickhouses://db.example")
    assert isinstance(secure, Server)
    assert (secure.port, secure.username, secure.database, secure.secure) == (8443, "default", "rollcall", True)
    assert "p@ss" not in repr(plain)


@pytest.mark.parametrize(
    "url",
    [
        "chdb://memory", "chdb:///", "chdb://host/path", "clickhouse://", "clickhouse://db.example:99999",
        "clickhouse://db.example:x", "postgres://a:hush@b", "", "/var/rollcall",
    ],
)  # fmt: skip
def test_what_is_none_names_the_setting_and_no_password(url: str) -> None:
    with pytest.raises(SettingsError, match="warehouse_url") as caught:
        parse_warehouse_url(url)
    assert "hush" not in str(caught.value)
