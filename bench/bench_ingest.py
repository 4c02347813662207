"""How many webhooks a second are durably acknowledged, beside a bare ASGI endpoint in the same run.

    python bench/bench_ingest.py [--seconds 3] [--rounds 3] [--connections 1 16 64] [--folder DIR]

Two processes: this one posts signed sample webhooks over keep-alive connections; the other serves. The bare endpoint
runs under the same server with the same settings, reads the body and answers 204: the ceiling of the server itself.
The folder for the log should be on a disk, not in memory, or fsync costs nothing.
"""

import argparse
import asyncio
import hashlib
import hmac
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from ingest.app import create_app
from ingest.handler import translate
from rollcall.clock import now_ms
from rollcall.eventlog import open_log
from rollcall.http.server import serve
from rollcall.runtime import Runtime, topics_of
from rollcall.settings import Settings

SAMPLES = Path(__file__).parents[1] / "tests" / "samples" / "webhooks" / "cloud"
SECRET = "It's a Secret to Everybody"  # Atlassian's published test secret
SITE = {"url": "https://acme.atlassian.net", "webhook_secrets": [SECRET]}


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body and answer 204, nothing else."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def serve_one(kind: str, folder: str) -> None:
    """Serve until SIGTERM; print the port first and the number of records kept last."""
    settings = Settings.model_validate({"sites": {"acme": SITE}})
    topics = topics_of(settings)
    log = await open_log(f"sqlite://{folder}/events.db", topics.all())
    app: ASGIApp = bare if kind == "bare" else create_app(Runtime(settings, topics, log), checks={})
    await serve(app, "127.0.0.1:0", drain_timeout=10, ready=lambda port: print(port, flush=True))
    print((await log.state(topics.activity.name)).records, flush=True)
    await log.close()


def requests() -> tuple[list[bytes], set[int]]:
    """Return a request for each sample, written without blanks as Jira does, and which of them make a fact."""
    made, facts = [], set()
    for number, path in enumerate(sorted(SAMPLES.iterdir())):
        body = json.dumps(json.loads(path.read_bytes()), separators=(",", ":")).encode()
        if translate("acme", body, "", now_ms()).facts:
            facts.add(number)
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        head = (
            "POST /webhooks/acme HTTP/1.1\r\nhost: rollcall.example\r\nuser-agent: Atlassian Webhook HTTP Client\r\n"
            "content-type: application/json; charset=utf-8\r\nx-atlassian-webhook-flow: Primary\r\n"
            f"x-atlassian-webhook-identifier: {number}\r\nx-hub-signature: sha256={signature}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made, facts


class Sender(asyncio.Protocol):
    """One keep-alive connection that posts, waits for the answer, and posts again."""

    def __init__(self, work: Iterator[tuple[int, bytes]], until: float, latencies: list[float]) -> None:
        self._work = work
        self._until = until
        self._latencies = latencies
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.facts_acknowledged: list[int] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._post()

    def data_received(self, data: bytes) -> None:
        """Take the answer; one part holds it all, for it is short."""
        if not (data.startswith(b"HTTP/1.1 204 ") and data.endswith(b"\r\n\r\n")):
            self.done.set_exception(RuntimeError(f"unexpected answer {data[:100]!r}"))
            return
        now = time.perf_counter()
        self._latencies.append(now - self._sent)
        self.facts_acknowledged.append(self._number)
        if now < self._until:
            self._post()
        else:
            self._transport.close()
            self.done.set_result(None)

    def _post(self) -> None:
        self._number, request = next(self._work)
        self._sent = time.perf_counter()
        self._transport.write(request)


async def load(
    port: int, connections: int, seconds: float, bodies: list[bytes]
) -> tuple[float, list[float], list[int]]:
    """Post for some seconds; return webhooks a second, latencies in seconds, and the requests answered."""
    loop = asyncio.get_running_loop()
    work = itertools.cycle(enumerate(bodies))
    latencies: list[float] = []
    started = time.perf_counter()
    until = started + seconds
    senders = [
        (await loop.create_connection(lambda: Sender(work, until, latencies), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(sender.done for sender in senders))
    taken = time.perf_counter() - started
    return len(latencies) / taken, latencies, [number for sender in senders for number in sender.facts_acknowledged]


@contextmanager
def server(kind: str, folder: str) -> Iterator[tuple[int, "subprocess.Popen[str]"]]:
    """Run a server in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve", kind, "--folder", folder], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    with process:
        try:
            yield int(process.stdout.readline()), process
        finally:
            process.terminate()


def measure(
    kind: str, connections: int, seconds: float, folder: str, bodies: list[bytes], facts: set[int]
) -> list[float]:
    """Run one server and one load; return rate, and p50 and p99 in milliseconds."""
    with tempfile.TemporaryDirectory(dir=folder) as inner, server(kind, inner) as (port, process):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(load(port, connections, seconds / 4, bodies))
            rate, latencies, answered = runner.run(load(port, connections, seconds, bodies))
        process.terminate()
        assert process.stdout
        kept = int(process.stdout.readline())
        due = sum(number in facts for number in answered)
        if kind == "ingest" and kept < due:
            raise RuntimeError(f"{due} facts acknowledged, {kept} kept")
    cuts = statistics.quantiles(latencies, n=100)
    return [rate, cuts[49] * 1000, cuts[98] * 1000]


def fsync_ms(folder: str) -> float:
    """Return the median time of an fsync in this folder."""
    times = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(50):
            file.write(b"x" * 4096)
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--folder", default=tempfile.gettempdir())
    parser.add_argument("--serve", choices=["bare", "ingest"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve_one(chosen.serve, chosen.folder))
        return
    bodies, facts = requests()
    size = statistics.mean(map(len, bodies)) / 1000
    print(f"{len(bodies)} sample webhooks, {size:.1f} kB on average; fsync {fsync_ms(chosen.folder):.2f} ms")
    print(
        f"median of {chosen.rounds} rounds of {chosen.seconds:g} s, taken in turns; "
        f"{os.cpu_count()} CPUs for both processes\n"
    )
    print(f"{'connections':>11}  {'':8}{'webhooks/s':>11}{'p50 ms':>9}{'p99 ms':>9}{'of bare':>9}")
    for connections in chosen.connections:
        rounds: dict[str, list[list[float]]] = {"bare": [], "ingest": []}
        for _ in range(chosen.rounds):
            for kind, found in rounds.items():
                found.append(measure(kind, connections, chosen.seconds, chosen.folder, bodies, facts))
        median = {
            kind: [statistics.median(each) for each in zip(*found, strict=True)] for kind, found in rounds.items()
        }
        for kind, (rate, p50, p99) in median.items():
            share = f"{rate / median['bare'][0]:9.0%}" if kind == "ingest" else ""
            print(f"{connections:>11}  {kind:8}{rate:>11,.0f}{p50:>9.2f}{p99:>9.2f}{share}")


if __name__ == "__main__":
    main()
