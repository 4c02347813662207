"""What readers and the engine's deaths cost the webhooks, against a real `rollcall up` on the embedded engine.

    python -m bench.bench_engine [--deaths 30] [--seconds 20] [--hang-up-seconds 60] [--facts 10000] [--many 0]
        [--folder DIR]

Webhooks come at a fixed rate from vegeta, which `make bench-engine` installs with Go: it sends each when it is due, so
that a wait is not hidden by senders that wait along. Five parts, in one run:

- freshness: 500/s, each until `user_days` shows it through the SQL door.
- queries: 500 webhooks/s alone and beside four heavy queries, in turns.
- hang-ups: 200/s beside clients of the SQL door that leave in the middle of large answers.
- deaths: 100/s while the engine is killed (SIGKILL, SIGSEGV, SIGABRT in turns), each time until its door answers.
- memory: of both processes at rest, before and after, and with --many after so many webhooks more.
"""

import argparse
import asyncio
import os
import random
import shlex
import signal
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import httpx
import msgspec

from tests.endtoend.installation import Installation, signature
from tests.endtoend.oracle import assert_stored
from tests.endtoend.test_crash import DEATHS, engines_of, wait_until_gone
from tests.endtoend.test_rude_readers import hang_up
from tests.endtoend.webhooks import webhook

HEAVY = "SELECT count() FROM activity a CROSS JOIN numbers(3000) b WHERE cityHash64(a.event_key, b.number) % 7 = 0"
VEGETA = shlex.quote(str(Path(sys.executable).with_name("vegeta")))
FIRST = 200_000
"""Numbers of the webhooks under measure; those that only fill are below. Half a million lies in the future."""


@dataclass
class Steady:
    """Posts webhooks, each when it is due, by vegeta: a rate that waits for no answer, in a process of its own."""

    up: Installation
    accepted: set[int] = field(default_factory=set)
    sent: set[int] = field(default_factory=set)
    refused: int = 0
    when: dict[int, float] = field(default_factory=dict)
    """When each was sent, in seconds since 1970."""
    _next: int = FIRST

    async def run(
        self, rate: int, until: Callable[[], bool], *, first: int | None = None, senders: int | None = None
    ) -> list[tuple[float, float]]:
        """Post at a rate; return when each was sent, in seconds since 1970, and its latency in ms.

        With a number of senders it posts no faster than these are answered, so that nothing piles up before the door.
        """
        self._next = first or self._next
        command = f"{VEGETA} attack -format json -lazy -rate {rate} -duration 0 -timeout 60s"
        command += f"{'' if senders is None else f' -max-workers {senders}'} | {VEGETA} encode -to json"
        attack = await asyncio.create_subprocess_shell(
            command, stdin=PIPE, stdout=PIPE, limit=2**20, start_new_session=True
        )
        assert attack.stdin
        assert attack.stdout
        taken = list[tuple[float, float]]()

        async def feed(targets: asyncio.StreamWriter) -> None:
            # Few ahead of what is due, so that at the end few are left unsent.
            while not until():
                due = len(taken) + max(rate, 64)
                for _ in range(min(rate, due - (self._next - begun))):
                    targets.write(self._target(self._next))
                    self._next += 1
                await targets.drain()
                await asyncio.sleep(0.02)
            os.killpg(attack.pid, signal.SIGINT)

        async def take(results: asyncio.StreamReader) -> None:
            async for line in results:
                result = msgspec.json.decode(line, type=_Result)
                number = int(result.url.rpartition("=")[2])
                self.sent.add(number)
                if result.code == httpx.codes.NO_CONTENT:
                    self.accepted.add(number)
                elif result.code or "canceled" not in result.error:
                    self.refused += 1
                self.when[number] = result.timestamp.timestamp()
                taken.append((self.when[number], result.latency / 1e6))

        begun = self._next
        await asyncio.gather(feed(attack.stdin), take(attack.stdout))
        self.sent |= set(range(begun, self._next))
        return taken

    @property
    def next(self) -> int:
        """The number of the next."""
        return self._next

    def is_past(self, number: int) -> bool:
        """Whether all webhooks until a number are on their way."""
        return self._next > number

    def _target(self, number: int) -> bytes:
        body = webhook(number).body
        header = {name: [value] for name, value in signature(body).items()}
        url = f"{self.up.webhook_url}?number={number}"
        return msgspec.json.encode({"method": "POST", "url": url, "header": header, "body": body}) + b"\n"


class _Result(msgspec.Struct):
    """What vegeta says of one request; the latency is in nanoseconds."""

    url: str
    code: int
    latency: int
    timestamp: datetime
    error: str


def told(latencies: list[float]) -> str:
    cuts = statistics.quantiles(latencies, n=1000, method="inclusive")
    p50, p95, p99, worst = cuts[499], cuts[949], cuts[989], max(latencies)
    return (
        f"{len(latencies):7,} webhooks, p50 {p50:6.1f} ms, p95 {p95:6.1f} ms, p99 {p99:7.1f} ms, worst {worst:7.1f} ms"
    )


async def while_running(
    seconds: float, steady: Steady, rate: int, beside: Callable[[Callable[[], bool]], Coroutine[None, None, None]]
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


LAST_ACTS = "SELECT account_id, toUnixTimestamp64Milli(last_at) FROM user_days FORMAT JSONCompact"


async def freshness(up: Installation, steady: Steady, seconds: float) -> None:
    """500/s: of each the time from when it was sent until it is the last act of its person's day.

    The next of the same person and day comes 0.7 s later. One that is never seen last, as both came at once, is left
    out.
    """
    seen, first = dict[tuple[str, int], float](), steady.next

    async def look(over: Callable[[], bool]) -> None:
        async with httpx.AsyncClient(timeout=10, auth=("dashboards", up.sql_token)) as client:
            while not over() or time.time() < steady.when[max(steady.when)] + 2:
                answer = await client.post(f"http://127.0.0.1:{up.sql_port}", content=LAST_ACTS)
                for account, at in answer.json()["data"]:
                    seen.setdefault((account, int(at)), time.time())
                await asyncio.sleep(0.02)

    await while_running(seconds, steady, 500, look)
    delays = list[float]()
    for number, at in steady.when.items():
        one = webhook(number)
        if number >= first and (shown := seen.get((one.account_id, one.at))):
            delays.append(1000 * (shown - at))
    print(f"500/s until user_days  {told(delays)}")


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
            at = time.monotonic()
            killed.append(time.time())
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


async def many(up: Installation, steady: Steady, count: int) -> None:
    """Post the webhooks below FIRST in turns, as fast as they are taken, until so many more came."""
    left = count
    while left > 0:
        share = min(left, FIRST - 1)
        await steady.run(2000, partial(steady.is_past, share), first=1, senders=16)
        left -= share
        await asyncio.to_thread(up.wait_until_written)
        memory(up, f"{count - left:,} later")


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
    parser.add_argument("--facts", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=0)
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
            await freshness(up, steady, given.seconds)
            await many(up, steady, given.many)
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
