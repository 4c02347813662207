"""One `rollcall up` for all clients, with webhooks that pour in all the while."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import httpx
import pytest

from ..endtoend.installation import Installation, signature
from ..endtoend.webhooks import webhook
from . import drivers

PAUSE = 0.02
"""Seconds between two webhooks."""


@dataclass
class Crowded:
    """An `up` under load."""

    up: Installation
    answered: list[int] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.up.sql_port

    @property
    def token(self) -> str:
        return self.up.sql_token

    def told(
        self, command: Sequence[str], *arguments: str, wrong_token: bool = False, **environment: str
    ) -> dict[str, str]:
        """What a client program found, by its questions.

        Args:
            command: Its command line.
            arguments: Its own, beside the port.
            wrong_token: Have it come with a wrong token at last, and demand that it is told so. The door counts those.
            environment: Variables, beside those of the test.
        """
        if wrong_token:
            environment["ROLLCALL_WRONG_TOKEN"] = "wrong"
        done = subprocess.run(
            [*command, str(self.port), *arguments],
            env={**os.environ, "ROLLCALL_TOKEN": self.token, **environment},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        print(done.stderr[-5000:])
        assert done.returncode == 0, done.stderr[-5000:]
        found = dict(line.split("\t", 1) for line in done.stdout.splitlines())
        if wrong_token:
            assert found.pop("wrong password") == "error 516"
        return found


def need(reason: str) -> None:
    """Skip a test whose driver cannot be had, or fail where all are demanded."""
    if not reason:
        return
    if os.environ.get(drivers.REQUIRE_VARIABLE):
        pytest.fail(f"{drivers.REQUIRE_VARIABLE} is set, and {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowded]:
    up = Installation(tmp_path_factory.mktemp("up"), extra_settings="consumer.batch_seconds = 0.2")
    up.start()
    up.wait_for("/readyz")
    made = Crowded(up)
    stopping = threading.Event()

    def pour() -> None:
        with httpx.Client(timeout=30) as client:
            for number in count(1):
                if stopping.is_set():
                    return
                body = webhook(number).body
                made.answered.append(client.post(up.webhook_url, content=body, headers=signature(body)).status_code)
                time.sleep(PAUSE)

    pouring = threading.Thread(target=pour)
    pouring.start()
    try:
        while len(made.answered) < 10:
            time.sleep(0.05)
            assert pouring.is_alive()
        time.sleep(1)  # a batch's time, and more
        yield made
    finally:
        stopping.set()
        pouring.join()
        if up.process and up.process.poll() is None:
            up.kill()
