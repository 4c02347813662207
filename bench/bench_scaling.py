"""What more consumers bring: 1, 2 and 4 processes draining the same 12 partitions, as ratios.

Run: python -m bench.bench_scaling. It measures reading, decoding, encoding and committing, without a warehouse, on
the first broker that `tests/kafka/broker` finds. A broker on this machine shares its cores with the consumers: with
N cores, more than N-1 processes cannot take much more than N-1 do.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from rollcall.eventlog import Record, Topic
from rollcall.eventlog.kafka import open_kafka_log
from rollcall.records import Activity, encode
from rollcall.settings import KafkaSettings
from tests.kafka.broker.choosing import broker, what

RECORDS = 400_000
AT_ONCE = 5000
PROCESSES = (1, 2, 4)
SETTLE_SECONDS = 3.0
"""For the group to share its partitions among all who joined."""


async def fill(address: str, topic: str) -> None:
    """Append the records to drain."""
    # Not compressed, or what a consumer has fetched ahead when it may begin would be most of it.
    settings = KafkaSettings(
        partitions=12, replication_factor=1, min_insync_replicas=1, append_timeout=60, compression="none"
    )
    log = await open_kafka_log(address.split(","), [Topic(topic, 10**9)], settings)
    begin = time.perf_counter()
    for start in range(0, RECORDS, AT_ONCE):
        await log.append(topic, [record(number) for number in range(start, start + AT_ONCE)])
    print(f"appended {RECORDS / (time.perf_counter() - begin):10,.0f} records/s, {AT_ONCE} at once")
    await log.close()


def record(number: int) -> Record:
    """A made-up fact."""
    fact = Activity(
        site="acme",
        event_key=f"comment:{number}:created",
        account_id=f"5b10a2844c20165700ed{number % 500:04}",
        account_type="atlassian",
        family="comment",
        action="created",
        occurred_at=1_795_000_000_000 + number,
        issue_id=10_000 + number % 3000,
        issue_key=f"ACME-{number % 3000}",
        project_key="ACME",
        source="webhook",
        received_at=1_795_000_000_100 + number,
    )
    return Record(encode(fact), fact.event_key.encode())


def drain(address: str, topic: str, processes: int) -> tuple[float, list[int]]:
    """Drain the topic with so many processes; return records a second, and how many each took."""
    command = [sys.executable, "-m", "bench.drain_child", address, topic, f"bench-{processes}"]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    try:
        for child in children:
            assert told(child) == ["joined"]
        time.sleep(SETTLE_SECONDS)
        begin = time.time()
        for child in children:
            tell(child)
        results = [told(child) for child in children]
        for child in children:
            tell(child)
            child.wait()
    finally:
        for child in children:
            child.kill()
    counts = [int(count) for count, _ in results]
    return sum(counts) / (max(float(ended) for _, ended in results) - begin), counts


def tell(child: "subprocess.Popen[str]") -> None:
    """Let a child go on."""
    assert child.stdin
    child.stdin.write("go\n")
    child.stdin.flush()


def told(child: "subprocess.Popen[str]") -> list[str]:
    """Return the words a child says next."""
    assert child.stdout
    return child.stdout.readline().split()


def main() -> None:
    """Print records a second and ratios."""
    with tempfile.TemporaryDirectory() as scratch, broker(Path(scratch) / "one") as chosen:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before; {what()}")
        topic = f"bench-{uuid.uuid4().hex[:8]}"
        asyncio.run(fill(chosen.address, topic))
        single = 0.0
        for processes in PROCESSES:
            rate, counts = drain(chosen.address, topic, processes)
            single = single or rate
            missing = "" if sum(counts) == RECORDS else f"  ONLY {sum(counts)} of {RECORDS}"
            print(f"{processes} consumers {rate:10,.0f} records/s, ratio {rate / single:.2f}, shares {counts}{missing}")


if __name__ == "__main__":
    main()
