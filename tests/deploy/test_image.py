"""The image: pinned packages, no index named, nobody's data, and scripts that run."""

import os
import re
import signal
import stat
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from .files import ROOT

DEPLOY = ROOT / "deploy"
PINS = (DEPLOY / "requirements.txt").read_text()
EMBEDDED = (DEPLOY / "requirements-embedded.txt").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


@pytest.mark.parametrize(("pins", "least"), [(PINS, 31), (EMBEDDED, 5)], ids=["server", "embedded"])
def test_every_package_is_pinned_with_hashes_and_no_index_is_named(pins: str, least: int) -> None:
    assert not re.search(r"^-|https?:|file:", pins, re.MULTILINE)
    packages = re.findall(r"^([\w.-]+)==(\S+)(.*?)(?=^\S|\Z)", pins, re.MULTILINE | re.DOTALL)
    assert len(packages) >= least
    assert all("--hash=sha256:" in rest for _, _, rest in packages)


def pinned(pins: str) -> dict[str, str]:
    return {name.lower().replace("_", "-"): pin for name, pin in re.findall(r"^([\w.-]+)==(\S+)", pins, re.MULTILINE)}


@pytest.mark.parametrize(
    ("requirements", "pins"),
    [(PROJECT["dependencies"], PINS), (PROJECT["optional-dependencies"]["embedded"], EMBEDDED)],
    ids=["server", "embedded"],
)
def test_the_pins_satisfy_pyproject(requirements: list[str], pins: str) -> None:
    for needed in map(Requirement, requirements):
        assert needed.specifier.contains(pinned(pins)[needed.name.lower()]), f"{needed}: run `make requirements`"


def test_the_image_does_without_the_embedded_engine() -> None:
    server, embedded = pinned(PINS), pinned(EMBEDDED)
    assert not {"chdb", "chdb-core", "pandas", "pyarrow"} & server.keys()
    assert {"chdb", "chdb-core"} <= embedded.keys()
    both = server.keys() & embedded.keys()
    assert {name: server[name] for name in both} == {name: embedded[name] for name in both}, "run `make requirements`"
    assert "embedded" not in DOCKERFILE


def test_the_dockerfile_copies_what_exists_and_nothing_else_gets_in() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
        if not source.startswith("--")
    }
    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)
    assert "*" in (ROOT / ".dockerignore").read_text().splitlines()


def test_the_dockerfile_is_pinned_and_runs_as_nobody_special() -> None:
    for image in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE):
        assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+@sha256:[0-9a-f]{64}", image)
    assert "USER 10001:10001" in DOCKERFILE
    assert "--require-hashes" in DOCKERFILE
    assert "HEALTHCHECK" in DOCKERFILE
    assert re.search(r"^tzdata==", PINS, re.MULTILINE)


@pytest.mark.parametrize(("status", "code"), [(200, 0), (204, 1), (503, 1)])
def test_healthy_says_whether_it_answers_200(status: int, code: int) -> None:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_request(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        answering = threading.Thread(target=server.handle_request)
        answering.start()
        url = f"http://127.0.0.1:{server.server_port}/healthz"
        done = subprocess.run([sys.executable, DEPLOY / "healthy", url], capture_output=True, check=False)
        answering.join()
    assert done.returncode == code


def test_the_command_takes_no_module_of_the_working_directory(tmp_path: Path) -> None:
    for name in ("console", "rollcall", "random"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken from the working directory')")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["/bin/sh", str(DEPLOY / "rollcall"), "--version"]
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}  # as the image has the packages
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout[:9]) == (0, "rollcall "), done.stderr


def test_make_env_makes_passwords_once(tmp_path: Path) -> None:
    command = [sys.executable, str(DEPLOY / "make_env.py"), str(tmp_path / ".env")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    made = tmp_path / ".env"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    values = re.findall(r"^\w+=(.+)$", made.read_text(), re.MULTILINE)
    assert len(values) == len(set(values)) == 6
    assert min(map(len, values)) >= 22
    before = made.read_text()
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (again.returncode, made.read_text()) == (1, before)
    assert ".env" in (ROOT / ".gitignore").read_text().split()


@pytest.mark.parametrize(("code", "pause"), [(0, "86400"), (3, "86400"), (1, "3600")])
def test_the_reconciler_goes_on_whatever_happens_and_stops_when_told(code: int, pause: str, tmp_path: Path) -> None:
    stand_in = tmp_path / "rollcall"
    stand_in.write_text(f"#!/bin/sh\necho ran $1\nexit {code}\n")
    stand_in.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [sys.executable, str(DEPLOY / "reconcile-daily")]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "ran reconcile\n"
        assert f"ended with {code}; the next one in {pause} seconds" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
