"""A whole Rollcall, run as its users run it: `rollcall up` as a process of its own, asked over HTTP and its CLI."""

import asyncio
import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from rollcall.runtime import WAREHOUSE_GROUP, opened
from rollcall.settings import load_settings

from ..ports import free_port

SECRET = "0123456789abcdef0123456789abcdef"
PATIENCE = 120.0
"""Seconds after which a wait gives up; only a failing test waits for so long."""


def unmeasured() -> dict[str, str]:
    """An environment without coverage: under load, measuring would halve the speed."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def signature(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"x-hub-signature": f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"}


@dataclass
class Installation:
    """A folder with settings, log and warehouse, and the process that runs on it."""

    folder: Path
    timezone: str = "Europe/Berlin"
    log_folder: Path | None = None
    extra_settings: str = ""
    measured: bool = False
    port: int = field(default_factory=free_port)
    sql_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            f"""
            listen = "127.0.0.1:{self.port}"
            sql_listen = "127.0.0.1:{self.sql_port}"
            log_url = "sqlite://{self.log_folder or self.folder}/events.db"
            warehouse_url = "chdb://{self.folder}/warehouse"
            {self.extra_settings}
            [sites.acme]
            url = "https://acme.atlassian.net"
            webhook_secrets = ["{SECRET}"]
            timezone = "{self.timezone}"
            """
        )

    @property
    def config(self) -> Path:
        return self.folder / "rollcall.toml"

    def add_settings(self, section: str) -> None:
        """Add a section to the settings file."""
        with self.config.open("a") as settings:
            settings.write(f"\n{section}\n")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def webhook_url(self) -> str:
        return f"{self.url}/webhooks/acme"

    @property
    def sql_token(self) -> str:
        """The token of the SQL door, which `up` has made at its first start."""
        return (self.folder / "sql_token").read_text().strip()

    def sql(self, statement: str) -> httpx.Response:
        """Ask the SQL door."""
        url = f"http://127.0.0.1:{self.sql_port}"
        return httpx.post(url, content=statement, auth=("dashboards", self.sql_token), timeout=60)

    @cached_property
    def session(self) -> dict[str, str]:
        """Cookies of who has signed in at the page, of the start at the first use."""
        return dict(httpx.get(self.sign_in_address, timeout=60).cookies)

    @property
    def sign_in_address(self) -> str:
        """The one-time address that the newest start has printed."""
        return sign_in_address(self.output)

    @property
    def output(self) -> str:
        """Everything the process wrote to stderr."""
        return (self.folder / "up.log").read_text()

    def start(self, command: str = "up") -> None:
        with (self.folder / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                rollcall(command, "--config", str(self.config)),
                stdout=log,
                stderr=log,
                env=None if self.measured else unmeasured(),
            )
        self.wait_for("/healthz")

    def wait_for(self, path: str) -> None:
        """Wait until a path answers 200."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert self.process
            assert self.process.poll() is None, self.output
            try:
                if httpx.get(self.url + path, timeout=10).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"{path} never answered 200\n{self.output}")

    def kill(self) -> None:
        """SIGKILL: no chance to finish anything."""
        assert self.process
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM: a clean stop; return the exit code."""
        if not self.process:
            return 0
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self.process = None
        return code

    def wait_until_written(self) -> None:
        """Wait until the consumers have written everything that is on the log."""
        deadline = time.monotonic() + PATIENCE
        while (left := self.lag()) != 0:
            assert time.monotonic() < deadline, f"{left} records were never written\n{self.output}"
            time.sleep(0.05)

    def wait_until_shown(self) -> None:
        """Wait until all on the log is written and reports say so, a moment later: they are computed beside it."""
        self.wait_until_written()
        deadline = time.monotonic() + PATIENCE
        while wrong := [row for row in rollup_findings(str(self.config)) if not row["ok"]]:
            assert time.monotonic() < deadline, f"{wrong}\n{self.output}"
            time.sleep(0.5)

    def lag(self) -> int:
        """Facts on the log that are not committed."""
        return records_left(self.config)

    def run(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a rollcall command on these settings."""
        done = subprocess.run(
            rollcall(*arguments, "--config", str(self.config)), capture_output=True, text=True, check=False, timeout=120
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def report(self, *arguments: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.run("report", *arguments, "--format", "json").stdout)
        return rows

    def post(self, body: bytes, headers: dict[str, str] | None = None) -> int:
        """Post one webhook, signed unless headers are given; return the status."""
        return httpx.post(self.webhook_url, content=body, headers=headers or signature(body), timeout=30).status_code


def sign_in_address(output: str) -> str:
    """The last one-time sign-in address in what `up` or `demo` wrote."""
    found = re.findall(r"the page is (http://\S+/sign-in\?token=\S+)", output)
    assert found, output
    return str(found[-1])


def rollcall(*arguments: str) -> Sequence[str]:
    """The command line of a rollcall command in this environment."""
    return [sys.executable, "-m", "console", *arguments]


def records_left(config: Path) -> int:
    """How many facts on an installation's log its consumers have not committed."""

    async def asked() -> int:
        async with opened(load_settings(config), "a test") as runtime:
            state = await runtime.log.state(runtime.topics.activity.name)
            return state.lag.get(WAREHOUSE_GROUP, state.records)

    with ThreadPoolExecutor(1) as apart:  # the caller may have a loop of its own
        return apart.submit(asyncio.run, asked()).result()


def rollup_findings(config: str) -> list[dict[str, Any]]:
    """What `rollcall check --rollups` says of the reports of an installation: each compared with the raw facts."""
    command = rollcall("check", "--local", "--rollups", "--format", "json", "--config", config)
    findings = json.loads(subprocess.run(command, capture_output=True, check=False, timeout=120).stdout)
    return [row for row in findings if " of acme" in row["subject"] or row["subject"] == "rollups"]
