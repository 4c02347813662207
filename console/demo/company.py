"""The simulated Jira Cloud site of the demo, in processes of its own, spoken to over HTTP as a real one is."""

import asyncio
import secrets
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec

from rollcall.clock import now_ms
from rollcall.errors import RollcallError
from rollcall.jira.events import REGISTERED

_STOP_SECONDS = 5.0


class Ready(msgspec.Struct):
    """What the simulator prints when it answers."""

    address: str
    email: str
    token: str
    organization: str
    organization_key: str


@dataclass(frozen=True, slots=True)
class Company:
    """A running simulated site.

    Attributes:
        address: Its base URL.
        email: Account of the API token.
        token: The API token.
        organization: Id of the organization that the site belongs to.
        organization_key: The organization's API key.
        secret: What its webhooks are signed with.
        options: Command line options that make the same company again.
        secret_file: File that holds the secret, so that it is on no command line.
    """

    address: str
    email: str
    token: str
    organization: str
    organization_key: str
    secret: str
    options: tuple[str, ...]
    secret_file: Path

    async def register_webhook(self, url: str) -> None:
        """Register the admin webhook, as an admin does; what happens from now on is sent there."""
        body = {"name": "Rollcall", "url": url, "events": REGISTERED, "filters": {}, "excludeBody": False}
        async with httpx.AsyncClient(auth=(self.email, self.token), trust_env=False) as client:
            answer = await client.post(
                f"{self.address}/rest/webhooks/1.0/webhook", json={**body, "secret": self.secret}, timeout=30
            )
        if answer.status_code != httpx.codes.CREATED:
            raise RollcallError(f"the simulated site refused the webhook: {answer.status_code} {answer.text}")

    async def send_history(self, url: str) -> None:
        """Send everything that happened before the demo as webhooks, as fast as it is taken."""
        process = await _start("send", url, "--secret-file", str(self.secret_file), *self.options, stdout=DEVNULL)
        try:
            if await process.wait():
                raise RollcallError("the simulated site could not send its history")
        finally:
            await _stop(process)


@asynccontextmanager
async def running_company(folder: Path, people: int, days: int, live_per_minute: float) -> AsyncIterator[Company]:
    """Run a simulated site while the context lasts.

    Args:
        folder: Where its secret is stored.
        people: How many people work there.
        days: Length of its history.
        live_per_minute: How much happens from now on; with 0 the site's clock stands still.

    Raises:
        RollcallError: It did not start.
    """
    secret = secrets.token_hex(32)
    secret_file = folder / "webhook_secret"
    secret_file.touch(mode=0o600)
    secret_file.chmod(0o600)  # it may be there already, of a demo before this one
    secret_file.write_text(secret)
    options = ("--people", str(people), "--days", str(days), "--now", str(now_ms()))
    pace = ("--live-per-minute", str(live_per_minute), "--speed", "1" if live_per_minute else "0")
    process = await _start("serve", *options, *pace, stdout=PIPE)
    try:
        line = await process.stdout.readline() if process.stdout else b""
        try:
            ready = msgspec.json.decode(line, type=Ready)
        except msgspec.DecodeError:
            raise RollcallError("the simulated site did not start; its error is above") from None
        keyed = (ready.organization, ready.organization_key)
        yield Company(ready.address, ready.email, ready.token, *keyed, secret, options, secret_file)
    finally:
        await _stop(process)


async def _start(*arguments: str, stdout: int) -> Process:
    # A session of its own: Ctrl-C reaches the demo alone, which then stops everything in order.
    # -P: no module of the folder that somebody happens to stand in is taken for the simulator or one of Python's.
    return await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "simulator", *arguments, stdout=stdout, start_new_session=True
    )


async def _stop(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
