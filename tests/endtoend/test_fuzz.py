"""Requests of every kind, mutated at random: nothing but 503 is an error of the server, and memory stays flat.

FUZZ_REQUESTS says how many (20,000; `make fuzz` a million), FUZZ_SEED with which seed; a failure prints its request.
Each comes from an address of its own, or those that guess a secret would shut out all others.
"""

import asyncio
import base64
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .installation import Installation, signature
from .test_crash import engines_of
from .webhooks import webhook

pytestmark = [pytest.mark.anyio, pytest.mark.fault]

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "20000"))
SEED = int(os.environ.get("FUZZ_SEED", random.SystemRandom().randrange(10**9)))
AT_ONCE = 128
PATIENCE = 1.0
"""Seconds to wait for an answer to what may be the beginning of a request only; a late error is seen in the log."""

GROWTH, SLACK_MB = 1.1, 24
"""Memory may have grown so from a fifth of the requests to their end."""

CALM = 60.0
"""Seconds in which memory comes back to that: a merge or a query may be using some at any one moment."""

TOKENS = (
    b"\x00",
    b"\xff\xfe",
    b"\r\n",
    b"\r\n\r\n",
    b"%00",
    b"%2e%2e%2f",
    b"../" * 40,
    b"'",
    b'"',
    b"${jndi:x}",
    b"\xe2\x80\xae",
    b"\xed\xa0\x80",
    b"9" * 5000,
    b"-1",
    b"1e309",
    b"NaN",
    b"[" * 2000,
    b"{" * 2000,
    b"http://[",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 0\r\n",
    b"Content-Length: 99999999999\r\n",
    b"Host: evil.example\r\n",
    b"Origin: http://[\r\n",
    b"Cookie: session=\x7f\r\n",
    b"Expect: 100-continue\r\n",
    b"Accept-Encoding: gzip, br, \xff\r\n",
    b"X-Forwarded-For: 1.2.3.4\r\n",
)


@dataclass(frozen=True)
class Seed:
    """A good request: to the front or the door, with its body, and how its body is signed when it is mutated."""

    door: bool
    head: bytes
    body: bytes = b""
    signed: bool = False

    def bytes_of(self, body: bytes) -> bytes:
        head = self.head
        if self.signed:
            head += "".join(f"{name}: {value}\r\n" for name, value in signature(body).items()).encode()
        if body:
            head += b"Content-Length: %d\r\n" % len(body)
        return head + b"Connection: close\r\n\r\n" + body


def seeds(up: Installation) -> list[Seed]:
    """What browsers, Jira, Prometheus and clients of the door send."""
    cookie = "; ".join(f"{name}={value}" for name, value in up.session.items()).encode()
    basic = base64.b64encode(f"dashboards:{up.sql_token}".encode())

    def front(target: str, *headers: bytes, method: str = "GET") -> bytes:
        lines = [f"{method} {target} HTTP/1.1".encode(), b"Host: 127.0.0.1:%d" % up.port, *headers]
        return b"\r\n".join(lines) + b"\r\n"

    def door(target: str, *headers: bytes, method: str = "GET") -> bytes:
        lines = [f"{method} {target} HTTP/1.1".encode(), b"Host: 127.0.0.1:%d" % up.sql_port, *headers]
        return b"\r\n".join([*lines, b"Authorization: Basic " + basic]) + b"\r\n"

    def made() -> Iterator[Seed]:
        for target in ("/", "/live", "/?q=a&sort=name&page=2&show=active", "/sign-in", "/static/page.css", "/nowhere"):
            yield Seed(False, front(target, b"Cookie: " + cookie, b"Accept: text/html"))
            yield Seed(False, front(target, b"Accept: text/html"))
        yield Seed(False, front("/sign-in?token=" + "a" * 43))
        form = b"Content-Type: application/x-www-form-urlencoded"
        for target in ("/sign-in", "/sign-out"):
            origin = b"Origin: http://127.0.0.1:%d" % up.port
            yield Seed(False, front(target, form, origin, method="POST"), b"password=correct+horse&next=%2F")
        for target in ("/metrics", "/readyz", "/healthz"):
            yield Seed(False, front(target))
        for number in range(1, 13):
            head = front("/webhooks/acme", b"Content-Type: application/json", method="POST")
            yield Seed(False, head, webhook(number).body, signed=True)
        yield Seed(False, front("/webhooks/acme", b"X-Hub-Signature: sha256=00", method="POST"), webhook(1).body)
        for query in (
            b"SELECT day, active FROM active_users_daily WHERE site = {site:String} ORDER BY day LIMIT 10",
            b"SELECT name, type FROM system.columns WHERE table = 'user_days' FORMAT JSONCompact",
            b"WITH a AS (SELECT 1 AS x) SELECT x, [1, 2, {}]::Array(UInt8) FROM a JOIN numbers(3) USING (x)",
            b"SHOW TABLES",
            b"EXPLAIN SELECT * FROM user_days",
        ):
            yield Seed(True, door("/?default_format=JSON&param_site=acme", method="POST"), query)
            yield Seed(True, door("/?compress=1&enable_http_compression=1&max_execution_time=1", method="POST"), query)
        yield Seed(True, door("/?query=SELECT%201&session_id=a&wait_end_of_query=1"))
        yield Seed(True, door("/ping"))

    return list(made())


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Some bytes flipped, cut, doubled, or replaced by what has broken other servers."""
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(made) + 1)
        upto = min(len(made), at + chance.choice((1, 2, 8, 64)))
        change: Callable[[], None] = chance.choice(
            (
                lambda at=at, upto=upto: made.__delitem__(slice(at, upto)),
                lambda at=at, upto=upto: made.__setitem__(slice(at, at), made[at:upto] * chance.choice((1, 2, 50))),
                lambda at=at: made.__setitem__(slice(at, at), chance.choice(TOKENS)),
                lambda at=at, upto=upto: made.__setitem__(slice(at, upto), chance.choice(TOKENS)),
                lambda at=at, upto=upto: made.__setitem__(slice(at, upto), chance.randbytes(upto - at)),
            )
        )
        change()
    return bytes(made)


def request_of(seed: Seed, chance: random.Random) -> bytes:
    """A mutated request: in its body, where the head fits it again, or anywhere."""
    if seed.body and chance.random() < 0.5:
        return seed.bytes_of(mutated(seed.body, chance))
    return mutated(seed.bytes_of(seed.body), chance)


async def answer_to(port: int, source: str, request: bytes, patience: float) -> bytes:
    """The head of the answer; empty where there was none in time, as where the server waits for more or has a queue."""
    try:
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    except TimeoutError:
        return b""
    try:
        writer.write(request)
        async with asyncio.timeout(patience):
            return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, TimeoutError):
        return b""
    finally:
        writer.close()


def is_sound(head: bytes) -> bool:
    """Whether it is no error of the server; the door's errors are ClickHouse's, which have a code and any status."""
    status = re.match(rb"HTTP/1\.[01] (\d{3}) ", head)
    if not head:
        return True
    if not status:
        return False
    said = int(status[1])
    return said < 500 or said == 503 or (b"x-clickhouse-exception-code" in head.lower() and b" 1002" not in head)


def resident_mb(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


@pytest.mark.timeout(0)
async def test_no_mutated_request_is_an_error_of_the_server(tmp_path: Path) -> None:
    up = Installation(tmp_path)
    up.start()
    try:
        await asyncio.to_thread(up.wait_for, "/readyz")
        good, chance = seeds(up), random.Random(SEED)

        async def try_good_ones() -> None:
            for seed in good:
                head = await answer_to(up.sql_port if seed.door else up.port, "127.0.0.1", seed.bytes_of(seed.body), 60)
                assert head, f"a good request was not answered: {seed}"
                assert is_sound(head), f"{head!r} to {seed}\n{up.output[-3000:]}"

        await try_good_ones()
        assert up.process
        [engine] = engines_of(up)
        processes = {"front": up.process.pid, "engine": engine}
        statuses: Counter[str] = Counter()
        numbers = iter(range(REQUESTS))

        async def send() -> None:
            for number in numbers:
                seed = chance.choice(good)
                request = request_of(seed, chance)
                source = f"127.{1 + number // 62500 % 250}.{number // 250 % 250}.{1 + number % 250}"
                head = await answer_to(up.sql_port if seed.door else up.port, source, request, PATIENCE)
                assert is_sound(head), f"seed {SEED}, request {number}: {head!r} to {request!r}"
                statuses[head[9:12].decode("latin-1") or "none"] += 1

        async def all_of_them() -> None:
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(send())

        memory: list[dict[str, int]] = []

        async def note() -> None:
            for share in range(1, 5):
                while statuses.total() < REQUESTS * share / 5:
                    await asyncio.sleep(0.05)
                memory.append({name: resident_mb(pid) for name, pid in processes.items()})

        noting = asyncio.create_task(note())
        await all_of_them()
        await noting

        def grown() -> list[str]:
            return [name for name in processes if memory[-1][name] > memory[0][name] * GROWTH + SLACK_MB]

        until = time.monotonic() + CALM
        memory.append({name: resident_mb(pid) for name, pid in processes.items()})
        while grown() and time.monotonic() < until:
            await asyncio.sleep(1)
            memory.append({name: resident_mb(pid) for name, pid in processes.items()})
        print(f"seed {SEED}: {dict(statuses.most_common())}, MB: {memory}")
        assert {"200", "204", "400", "401"} <= statuses.keys()
        assert engines_of(up) == [engine], "the engine ended"
        await try_good_ones()
        assert not grown(), f"MB: {memory}"
        assert "Traceback" not in up.output, up.output[up.output.index("Traceback") :][:3000]
        assert up.stop() == 0
    finally:
        if up.process and up.process.poll() is None:
            up.kill()
