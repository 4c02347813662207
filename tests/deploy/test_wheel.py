"""The wheel: what is in it, and that it works in an empty environment, with and without the embedded engine.

What installs packages is marked `install`: `make install-test` runs it, and `.ci/run`.
"""

import re
import signal
import subprocess
import time
import zipfile
from email.parser import Parser
from pathlib import Path

import httpx
import pytest

from rollcall import __version__

from ..endtoend.installation import sign_in_address
from ..ports import free_port
from ..warehouse.servers import stand_in
from .files import ROOT
from .wheel import Environment, build, untouched

PRODUCT = ("rollcall", "ingest", "reconcile", "consumers", "console", "simulator")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = Environment.make(tmp_path_factory.mktemp("environment") / "venv")
    made.install(str(wheel))
    return made


def test_everything_of_the_product_is_in_it_and_nothing_else(wheel: Path) -> None:
    found = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    there = {
        str(path.relative_to(ROOT))
        for folder in PRODUCT
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert found == there
    assert {Path(name).suffix for name in found} >= {".py", ".typed", ".sql", ".json", ".html", ".css", ".js", ".svg"}


def test_it_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        texts = {Path(name).name: opened.read(name).decode() for name in opened.namelist() if ".dist-info/" in name}
    metadata = Parser().parsestr(texts["METADATA"])
    assert (metadata["Name"], metadata["Version"]) == ("rollcall-jira", __version__)
    assert set(metadata.get_all("Provides-Extra", [])) == {"embedded", "dev", "audit"}
    needs = [re.split(r"[^\w.-]", line)[0] for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert "chdb" not in needs
    assert len(needs) > 15
    assert texts["entry_points.txt"].split() == ["[console_scripts]", "rollcall", "=", "console.__main__:main"]
    assert "Apache License" in texts["LICENSE"]


@pytest.mark.install
@pytest.mark.timeout(900)
def test_without_the_extra_a_server_is_used_and_the_engine_is_missing(environment: Environment, tmp_path: Path) -> None:
    assert not {"chdb", "pandas", "pyarrow", "pytest", "rollcall"} & environment.packages()
    assert environment.python("import console; print(console.__file__)").startswith(str(environment.folder))
    assert environment.rollcall("--version").stdout == f"rollcall {__version__}\n"
    config = tmp_path / "rollcall.toml"
    for command in (["up"], ["report", "days"], ["migrate"]):
        config.write_text(settings(tmp_path, f"chdb://{tmp_path}/warehouse"))
        refused = environment.rollcall(*command, "--config", str(config))
        assert refused.returncode == 2
        assert refused.stderr.startswith("rollcall: warehouse_url: the embedded engine is not installed: pip install ")
        assert refused.stderr.count("\n") == 1
    with stand_in(tmp_path / "server") as server:
        config.write_text(settings(tmp_path, server.url))
        for command in (["migrate"], ["report", "days"], ["check", "--local"], ["export", str(tmp_path / "export")]):
            done = environment.rollcall(*command, "--config", str(config))
            assert done.returncode == 0, done.stderr


@pytest.mark.install
@pytest.mark.timeout(900)
def test_with_the_extra_the_demo_runs(environment: Environment, wheel: Path, tmp_path: Path) -> None:
    """It comes last: it puts the engine into the environment of the test before it."""
    environment.install(f"{wheel}[embedded]")
    port = free_port()
    command = environment.command(
        "demo",
        "--people",
        "20",
        "--days",
        "5",
        "--listen",
        f"127.0.0.1:{port}",
        "--sql-listen",
        f"127.0.0.1:{free_port()}",
    )
    with (tmp_path / "demo.log").open("wb") as log:
        demo = subprocess.Popen(command, cwd=tmp_path, env=untouched(), stdout=log, stderr=log)
    try:
        wait_for_people(demo, f"http://127.0.0.1:{port}/", tmp_path / "demo.log")
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(60) == 0, (tmp_path / "demo.log").read_text()
    finally:
        demo.kill()
        demo.wait()


def settings(folder: Path, warehouse_url: str) -> str:
    return f"""
        log_url = "sqlite://{folder}/events.db"
        warehouse_url = "{warehouse_url}"
        [sites.acme]
        url = "https://acme.atlassian.net"
        webhook_secrets = ["0123456789abcdef"]
    """


def wait_for_people(demo: "subprocess.Popen[bytes]", page: str, log: Path) -> None:
    """Wait until somebody of the simulated company is on the page, signed in by the address that was printed."""
    deadline = time.monotonic() + 120
    while "/sign-in?token=" not in log.read_text():
        assert demo.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    with httpx.Client(timeout=30) as viewer:
        assert viewer.get(sign_in_address(log.read_text())).status_code == 303
        while True:
            assert demo.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            try:
                if "data-account=" in viewer.get(page).text:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
