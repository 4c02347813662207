"""However the demo is ended, nothing of it stays: no process, no folder with secrets, no settings that lead nowhere."""

import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from ..ports import free_port
from .installation import PATIENCE, rollcall


@dataclass
class Demo:
    """A demo whose stderr is a terminal; `terminal` is the end that a person would look at."""

    folder: Path
    process: subprocess.Popen[bytes]
    terminal: int
    port: int
    output: bytes = b""

    @property
    def config(self) -> Path:
        return self.folder / "demo.toml"

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    def look(self) -> None:
        """Read what came to the terminal, so that it does not fill up."""
        try:
            while piece := os.read(self.terminal, 65536):
                self.output += piece
        except (BlockingIOError, OSError):  # nothing now, or nothing ever again
            pass

    def wait_for_its_site(self) -> str:
        """Wait until the simulated site runs, which is before anything else does; return its address."""
        deadline = time.monotonic() + PATIENCE
        while not (self.config.exists() and (settings := self.config.read_text()).endswith("renews = 2026-03-01\n")):
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            self.look()
            time.sleep(0.02)
        return str(tomllib.loads(settings)["sites"]["acme"]["url"])

    def wait_until_it_answers(self) -> str:
        """Wait until the demo takes webhooks; return the simulated site's address."""
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            self.look()
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=10).status_code == httpx.codes.OK:
                    return self.wait_for_its_site()
            except httpx.TransportError:
                time.sleep(0.05)

    def wait(self) -> int:
        deadline = time.monotonic() + PATIENCE
        while (code := self.process.poll()) is None:
            assert time.monotonic() < deadline, self.output
            self.look()
            time.sleep(0.02)
        self.look()
        return code

    def assert_gone(self, site: str) -> None:
        assert list(self.scratch.iterdir()) == []
        assert not self.config.exists()
        assert not answers(site)


def answers(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port or 80), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    (tmp_path / "scratch").mkdir()
    terminal, inner = os.openpty()
    os.set_blocking(terminal, False)
    port = free_port()
    command = rollcall(
        "demo", "--people", "10", "--days", "3", "--live-per-minute", "0", "--config", str(tmp_path / "demo.toml"),
        "--listen", f"127.0.0.1:{port}", "--sql-listen", f"127.0.0.1:{free_port()}",
    )  # fmt: skip
    environment = {**os.environ, "TMPDIR": str(tmp_path / "scratch")}
    process = subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, env=environment)
    os.close(inner)
    running = Demo(tmp_path, process, terminal, port)
    try:
        yield running
    finally:
        process.terminate()
        running.wait()
        os.close(running.terminal)


def test_a_closed_terminal_leaves_nothing_behind(demo: Demo) -> None:
    site = demo.wait_until_it_answers()
    assert answers(site)
    # What the system does to the demo when the window is closed.
    os.close(demo.terminal)
    demo.terminal = os.open(os.devnull, os.O_RDONLY)
    demo.process.send_signal(signal.SIGHUP)
    assert demo.wait() == 0
    demo.assert_gone(site)


def test_ctrl_c_twice_ends_it_without_a_traceback(demo: Demo) -> None:
    site = demo.wait_until_it_answers()
    demo.process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    demo.process.send_signal(signal.SIGINT)
    assert demo.wait() == 0, demo.output
    assert b"Traceback" not in demo.output
    assert b"rollcall: stopping" in demo.output
    demo.assert_gone(site)


def test_ctrl_c_while_it_starts_is_a_stop_like_any_other(demo: Demo) -> None:
    site = demo.wait_for_its_site()
    demo.process.send_signal(signal.SIGINT)
    assert demo.wait() == 0, demo.output
    assert b"Traceback" not in demo.output
    demo.assert_gone(site)


def test_a_history_that_breaks_off_is_a_failure(demo: Demo) -> None:
    site = demo.wait_for_its_site()
    deadline = time.monotonic() + PATIENCE
    while not (senders := processes("simulator", "send", demo.scratch.as_posix())):
        assert time.monotonic() < deadline, demo.output
        demo.look()
    os.kill(senders[0], signal.SIGKILL)
    assert demo.wait() == 1, demo.output
    assert b"the simulated site could not send its history" in demo.output
    demo.assert_gone(site)


def processes(*words: str) -> list[int]:
    """Processes whose command line has all these words."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (folder / "cmdline").read_text()
            if all(word in line for word in words):
                found.append(int(folder.name))
    return found


def test_nothing_of_the_working_directory_is_run(tmp_path: Path) -> None:
    work, ran = tmp_path / "work", tmp_path / "ran"
    work.mkdir()
    for name in ("simulator", "random", "console", "msgspec"):
        (work / f"{name}.py").write_text(f"open({str(ran)!r}, 'a').write({name!r})\n")
    port = free_port()
    command = [sys.executable, "-P", *rollcall(
        "demo", "--people", "5", "--days", "0", "--live-per-minute", "0", "--config", str(tmp_path / "demo.toml"),
        "--listen", f"127.0.0.1:{port}", "--sql-listen", f"127.0.0.1:{free_port()}",
    )[1:]]  # fmt: skip
    with subprocess.Popen(command, cwd=work, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if "days of history are in" in line or ran.exists():
                break
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert not ran.exists(), ran.read_text()


def test_a_settings_file_of_somebody_else_stays(tmp_path: Path) -> None:
    config = tmp_path / "rollcall.toml"
    config.write_text("mine")
    done = run_demo("--config", str(config))
    assert done.returncode == 2
    assert f"{config} is there already" in done.stderr
    assert config.read_text() == "mine"
    assert "cannot write" in run_demo("--config", str(tmp_path / "nowhere" / "x.toml")).stderr


@pytest.mark.parametrize("option", ["--listen", "--sql-listen"])
def test_an_address_that_is_taken_is_told_before_anything_starts(tmp_path: Path, option: str) -> None:
    folder = tmp_path / "kept"
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        done = run_demo(option, address, "--folder", str(folder))
    assert done.returncode == 2
    assert f"{option}: cannot listen on {address}" in done.stderr
    assert not folder.exists()


def test_both_addresses_must_differ(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    assert "--sql-listen: cannot listen" in run_demo("--listen", address, "--sql-listen", address).stderr
    assert "--listen: 'nowhere' is no address" in run_demo("--listen", "nowhere").stderr


def run_demo(*options: str) -> "subprocess.CompletedProcess[str]":
    """Run a demo that is expected to refuse, on free addresses unless others are given."""
    # The last one counts.
    free = ("--listen", f"127.0.0.1:{free_port()}", "--sql-listen", f"127.0.0.1:{free_port()}")
    return subprocess.run(
        rollcall("demo", *free, *options), capture_output=True, text=True, check=False, timeout=PATIENCE
    )
