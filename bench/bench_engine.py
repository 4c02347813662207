"""What readers and the engine's deaths cost the webhooks, against a real `rollcall up` on the embedded engine.

    python -m bench.bench_engine [--deaths 30] [--seconds 20] [--hang-up-seconds 60] [--facts 20000] [--folder DIR]

Webhooks come at a fixed rate from another thread's point of view: a latency counts from when the webhook was due, so
that a wait is not hidden by senders that wait along. Four parts, in one run:

- queries: 500 webhooks/s alone and beside four heavy queries, in turns.
- hang-ups: 200/s beside clients of the SQL door that leave in the middle of large answers.
- deaths: 100/s while the engine is killed (SIGKILL, SIGSEGV, SIGABRT in turns), each time until its door answers again.
- memory: of both processes at rest, before and after.
"""

import argparse
import asyncio
import os
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.endtoend.installation import Installation, signature
from tests.endtoend.oracle import assert_stored
from tests.endtoend.test_crash import DEATHS, engines_of, wait_until_gone
from tests.endtoend.test_rude_readers import hang_up
from tests.endtoend.webhooks import webhook

HEAVY = "SELECT count() FROM activity a CROSS JOIN numbers(3000) b WHERE cityHash64(a.event_key, b.number) % 7 = 0"
SENDERS = 24
FIRST = 200_000
"""Numbers of the webhooks under measure; those that only fill are below. Half a million lies in the future."""


@dataclass
class Steady:
    """Posts webhooks, each when it is due."""

    up: Installation
    accepted: set[int] = field(default_factory=set)
    sent: set[int] = field(default_factory=set)
    refused: int = 0
    _next: int = 1

    async def run(
        self, rate: float, until: Callable[[], bool], *, first: int | None = None
    ) -> list[tuple[float, float]]:
        """Post at a rate; return when each was due, by `time.monotonic`, and its latency in ms."""
        self._next = first or max(self._next, FIRST)
        began, numbers, taken = time.monotonic(), self._next, list[tuple[float, float]]()

        async def send(client: httpx.AsyncClient) -> None:
            while not until():
                number = self._next
                self._next += 1
                due = began + (number - numbers) / rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                body = webhook(number).body
                self.sent.add(number)
                answer = await client.post(self.up.webhook_url, content=body, headers=signature(body))
                if answer.status_code == httpx.codes.NO_CONTENT:
                    self.accepted.add(number)
                else:
                    self.refused += 1
                taken.append((due, (time.monotonic() - due) * 1000))

        async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=SENDERS)) as client:
            await asyncio.gather(*(send(client) for _ in range(SENDERS)))
        return taken


def told(latencies: list[float]) -> str:
    cuts = statistics.quantiles(latencies, n=1000, method="inclusive")
    p50, p99, worst = cuts[499], cuts[989], max(latencies)
    return f"{len(latencies):7,} webhooks, p50 {p50:6.1f} ms, p99 {p99:7.1f} ms, worst {worst:7.1f} ms"


async def while_running(
    seconds: float, steady: Steady, rate: float, beside: Callable[[Callable[[], bool]], Coroutine[None, None, None]]
) -> list[float]:
    """Post for some seconds while something else goes on."""
    end = time.monotonic() + seconds

    def over() -> bool:
        return time.monotonic() >= end

    other = asyncio.create_task(beside(over))
    taken = await steady.run(rate, over)
    await other
    return [latency for _, latency in taken]


async def nothing(_: Callable[[], bool]) -> None:
    """The quiet turn."""


async def queries(up: Installation, steady: Steady, seconds: float) -> None:
    """500/s with and without four heavy queries, three turns each."""
    token, asked = up.sql_token, 0

    async def ask(over: Callable[[], bool]) -> None:
        nonlocal asked

        async def one(client: httpx.AsyncClient) -> None:
            nonlocal asked
            while not over():
                await client.post(f"http://127.0.0.1:{up.sql_port}", content=HEAVY, auth=("dashboards", token))
                asked += 1

        async with httpx.AsyncClient(timeout=120) as client:
            await asyncio.gather(*(one(client) for _ in range(4)))

    quiet, beside = list[float](), list[float]()
    for _ in range(3):
        quiet += await while_running(seconds / 3, steady, 500, nothing)
        beside += await while_running(seconds / 3, steady, 500, ask)
    print(f"500/s alone            {told(quiet)}")
    print(f"500/s beside 4 queries {told(beside)}; {asked} queries ended")


async def hang_ups(up: Installation, steady: Steady, seconds: float) -> None:
    """200/s beside clients that leave."""
    chance, left, engine = random.Random(7), 0, engines_of(up)

    async def leave(over: Callable[[], bool]) -> None:
        nonlocal left
        while not over():
            await asyncio.to_thread(hang_up, up.sql_port, up.sql_token, chance)
            left += 1
            await asyncio.sleep(0.08)

    taken = await while_running(seconds, steady, 200, leave)
    again = "never" if engines_of(up) == engine else "YES"
    print(f"200/s beside hang-ups  {told(taken)}; {left} clients hung up, the engine began again: {again}")


async def deaths(up: Installation, steady: Steady, count: int) -> None:
    """Kill the engine again and again under 100/s."""
    back, over, killed = list[float](), False, list[float]()
    posting = asyncio.create_task(steady.run(100, lambda: over))
    async with httpx.AsyncClient(timeout=2, auth=("dashboards", up.sql_token)) as client:
        for number in range(count):
            [engine] = engines_of(up)
            os.kill(engine, DEATHS[number % len(DEATHS)])
            killed.append(at := time.monotonic())
            await asyncio.to_thread(wait_until_gone, engine)
            while True:
                try:
                    if (await client.post(f"http://127.0.0.1:{up.sql_port}", content="SELECT 1")).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.02)
            back.append(time.monotonic() - at)
            await asyncio.sleep(0.5)
    over = True
    taken = await posting
    near = [(due, latency) for due, latency in taken if any(0 <= due - at < 2 for at in killed)]
    print(f"100/s, {count} deaths      {told([latency for _, latency in taken])}")
    print(f"  within 2 s of a death {told([latency for _, latency in near])}")
    print(f"  the door answers again {statistics.median(back):.1f} s after a death (median), {max(back):.1f} s (worst)")


def resident(pid: int) -> int:
    """MB of memory that a process alone has."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(rollup.partition("\nPss:")[2].split()[0]) // 1024


def memory(up: Installation, when: str) -> None:
    """Print what both processes take."""
    assert up.process
    [engine] = engines_of(up)
    front, behind = resident(up.process.pid), resident(engine)
    print(f"memory {when:16} front {front} MB, engine {behind} MB, together {front + behind} MB")


async def main() -> None:
    """Run all parts and hold every fact against what was sent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deaths", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--hang-up-seconds", type=float, default=60)
    parser.add_argument("--facts", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="where the files go; on a disk, or fsync costs nothing")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        up = Installation(Path(folder))
        up.start()
        up.wait_for("/readyz")
        try:
            memory(up, "at the start")
            steady = Steady(up)
            await steady.run(5000, lambda: len(steady.sent) >= given.facts, first=1)
            await asyncio.to_thread(up.wait_until_written)
            memory(up, "with the facts")
            await queries(up, steady, given.seconds)
            await hang_ups(up, steady, given.hang_up_seconds)
            await deaths(up, steady, given.deaths)
            await asyncio.to_thread(up.wait_until_written)
            memory(up, "at the end")
            print(f"{len(steady.accepted):,} answered 204, {steady.refused} otherwise")
            assert up.stop() == 0, up.output[-2000:]
            await assert_stored(f"chdb://{folder}/warehouse", steady.accepted, steady.sent)
            print("every accepted fact is in the warehouse, once")
        finally:
            if up.process and up.process.poll() is None:
                up.process.send_signal(signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(main())
