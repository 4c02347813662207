"""One consumer process of the scaling benchmark.

python -m bench.drain_child ADDRESS TOPIC GROUP      join, say so, wait for a line, drain, say how many records
"""

import asyncio
import sys
import time

import uvloop

from rollcall.eventlog import Topic
from rollcall.eventlog.kafka import open_kafka_log
from rollcall.records import decode_activity, encode
from rollcall.settings import KafkaSettings

BATCH = 2000


async def main(address: str, topic: str, group: str) -> None:
    settings = KafkaSettings(partitions=12, replication_factor=1, min_insync_replicas=1)
    log = await open_kafka_log(address.split(","), [Topic(topic, 10**9)], settings)
    reader = await log.reader(topic, group)
    print("joined", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    count, ended = 0, time.time()
    while entries := await reader.read(BATCH, 0.0):
        # What the activity writer does to a record, without the warehouse it does it for.
        block = b"\n".join(encode(decode_activity(entry.value)) for entry in entries)
        count += len(entries) if block else 0
        await reader.commit(entries)
        ended = time.time()
    print(count, ended, flush=True)
    # Nobody leaves before all are done: it would have the others share anew.
    await asyncio.to_thread(sys.stdin.readline)
    await log.close()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
