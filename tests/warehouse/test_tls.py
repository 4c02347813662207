"""TLS, users and certificates, shaken hands on for real; and refusals that name the setting and no password."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from rollcall.errors import WarehouseUnavailableError
from rollcall.settings import WarehouseSettings
from rollcall.warehouse import open_warehouse
from tests.kafka.broker.certificates import Certificates, make_certificates

from .guard import Guard
from .servers import StandIn, guarded, stand_in

pytestmark = pytest.mark.anyio
unverified = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")

USER, PASSWORD = "writer", "p:@/ss hush"
BY_CERTIFICATE = "client"
"""The name in the certificate of clients."""


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def anothers(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("anothers"))


@pytest.fixture(scope="module")
def tls(ours: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """Wants TLS, a user and a password."""
    guard = Guard(USER, PASSWORD, certificate=ours.broker)
    with guarded(tmp_path_factory.mktemp("tls") / "data", guard) as made:
        yield made


@pytest.fixture(scope="module")
def strict(ours: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """Wants a certificate of the client, which also says who it is."""
    guard = Guard(BY_CERTIFICATE, certificate=ours.broker, authority=ours.authority)
    with guarded(tmp_path_factory.mktemp("strict") / "data", guard) as made:
        yield made


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[StandIn]:
    with stand_in(tmp_path / "data") as made:
        yield made


@pytest.fixture
def password(tmp_path: Path) -> Path:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    return tmp_path / "password"


async def use(url: str, **options: Any) -> None:
    """Ask who answers."""
    warehouse = await open_warehouse(url, "a test", WarehouseSettings(**options))
    try:
        assert await warehouse.query("SELECT 1 AS one") == [{"one": 1}]
    finally:
        await warehouse.close()


async def refusal(url: str, **options: Any) -> str:
    with pytest.raises(WarehouseUnavailableError) as refused:
        await use(url, **options)
    assert "hush" not in str(refused.value)
    return str(refused.value)


def at(made: StandIn, user: str = USER, host: str = "127.0.0.1", scheme: str = "clickhouses") -> str:
    return f"{scheme}://{user}@{host}:{made.port}/default"


def client(files: Certificates) -> dict[str, Any]:
    return {"client_cert_file": files.client, "client_key_file": files.client_key}


async def test_a_trusted_authority_and_the_right_user(tls: StandIn, ours: Certificates, password: Path) -> None:
    await use(at(tls), ca_file=ours.authority, password_file=password)
    await use(at(tls, host="localhost"), ca_file=ours.authority, password_file=password)
    await use(at(tls, f"{USER}:{quote(PASSWORD, safe='')}"), ca_file=ours.authority)


@unverified
async def test_an_authority_that_is_not_known(tls: StandIn, anothers: Certificates, password: Path) -> None:
    for options in ({}, {"ca_file": anothers.authority}):
        said = await refusal(at(tls), password_file=password, **options)
        assert said.startswith("warehouse.ca_file: ")
    await use(at(tls), password_file=password, verify=False)


@unverified
@pytest.mark.parametrize("host", ["2130706433", "0.0.0.0"], ids=["name", "address"])
async def test_a_host_that_the_certificate_does_not_name(
    host: str, tls: StandIn, ours: Certificates, password: Path
) -> None:
    """Both lead to 127.0.0.1."""
    said = await refusal(at(tls, host=host), ca_file=ours.authority, password_file=password)
    assert said.startswith("warehouse_url: the server's certificate is for another host")
    assert repr(host) in said
    await use(at(tls, host=host), password_file=password, verify=False)


async def test_plain_text_to_a_port_of_tls(tls: StandIn, password: Path) -> None:
    said = await refusal(at(tls, scheme="clickhouse"), password_file=password)
    assert said.startswith("warehouse_url: ")
    assert "clickhouses://" in said


async def test_tls_to_a_port_of_plain_text(plain: StandIn, ours: Certificates) -> None:
    said = await refusal(at(plain), ca_file=ours.authority)
    assert said.startswith("warehouse_url: no TLS is spoken")


@pytest.mark.parametrize("user", [f"{USER}:wrong-hush", f"nobody:{quote(PASSWORD, safe='')}", USER, ""])
async def test_another_user_or_password(user: str, tls: StandIn, ours: Certificates) -> None:
    said = await refusal(at(tls, user), ca_file=ours.authority)
    assert said.startswith("warehouse_url, warehouse.password_file: ")
    assert "516" in said


async def test_a_password_that_is_changed_under_way(tls: StandIn, ours: Certificates, password: Path) -> None:
    """The connection is there already; what the server says then is told as at the start."""
    warehouse = await open_warehouse(
        at(tls), "a test", WarehouseSettings(ca_file=ours.authority, password_file=password)
    )
    try:
        await warehouse.ping()
        guard, tls.guard = tls.guard, Guard(USER, "another", certificate=ours.broker)
        tls.kill()
        tls.start()
        try:
            with pytest.raises(WarehouseUnavailableError, match=r"^warehouse_url, warehouse\.password_file: "):
                await warehouse.ping()
        finally:
            tls.guard = guard
            tls.kill()
            tls.start()
        await warehouse.ping()
    finally:
        await warehouse.close()


async def test_who_we_are_by_certificate(strict: StandIn, ours: Certificates) -> None:
    await use(at(strict, BY_CERTIFICATE), ca_file=ours.authority, **client(ours))
    said = await refusal(at(strict, "another"), ca_file=ours.authority, **client(ours))
    assert said.startswith("warehouse_url, warehouse.password_file: ")


async def test_a_certificate_beside_a_password(ours: Certificates, password: Path, tmp_path: Path) -> None:
    guard = Guard(USER, PASSWORD, certificate=ours.broker, authority=ours.authority)
    with guarded(tmp_path / "data", guard) as made:
        await use(at(made), ca_file=ours.authority, password_file=password, **client(ours))
        said = await refusal(at(made), ca_file=ours.authority, **client(ours))
        assert said.startswith("warehouse_url, warehouse.password_file: ")


async def test_a_certificate_that_is_missing_or_anothers(
    strict: StandIn, ours: Certificates, anothers: Certificates
) -> None:
    for shown in ({}, client(anothers)):
        said = await refusal(at(strict, BY_CERTIFICATE), ca_file=ours.authority, **shown)
        assert "warehouse.client_cert_file" in said


async def test_files_that_are_no_certificates(
    strict: StandIn, ours: Certificates, anothers: Certificates, tmp_path: Path
) -> None:
    (tmp_path / "none.pem").write_text("no certificate")
    mixed = {**client(ours), "client_key_file": anothers.client_key}
    for options in (mixed, {**client(ours), "client_cert_file": tmp_path / "none.pem"}):
        said = await refusal(at(strict, BY_CERTIFICATE), ca_file=ours.authority, **options)
        assert "warehouse.client_cert_file" in said
    said = await refusal(at(strict), ca_file=tmp_path / "none.pem")
    assert said.startswith("warehouse.ca_file")


async def test_a_password_is_changed_in_its_file_while_in_use(tls: StandIn, ours: Certificates, password: Path) -> None:
    """What is ours of a rotation; that a server takes two passwords for a time is its own."""
    options = WarehouseSettings(ca_file=ours.authority, password_file=password)
    warehouse = await open_warehouse(at(tls), "a test", options)
    try:
        assert await warehouse.query("SELECT 1 AS one") == [{"one": 1}]
        tls.kill()
        tls.guard = replace(tls.guard, password="another-hush")
        tls.start()
        with pytest.raises(WarehouseUnavailableError, match="516"):
            await warehouse.query("SELECT 1 AS one")
        password.write_text("another-hush\n")
        assert await warehouse.query("SELECT 1 AS one") == [{"one": 1}]
    finally:
        await warehouse.close()
        tls.kill()
        tls.guard = replace(tls.guard, password=PASSWORD)
        tls.start()
