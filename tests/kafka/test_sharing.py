"""8 consumers share 12 partitions while members join, leave and die: each fact is written once, and so counted."""

import asyncio
import json
import random

import pytest

from rollcall.warehouse import Warehouse, open_warehouse
from rollcall.warehouse.rollup_check import differing_rows
from tests.kafka.installation import OnKafka
from tests.kafka.load import Load
from tests.kafka.report import Report
from tests.kafka.underload import finished
from tests.rounds import Rounds

pytestmark = [pytest.mark.anyio, pytest.mark.fault]

MEMBERS = 8


async def rows_written(warehouse: Warehouse) -> tuple[int, int]:
    """Rows that were inserted, merged or not, and the facts among them."""
    [found] = await warehouse.query("SELECT count() AS rows, uniqExact(event_key) AS facts FROM activity")
    return found["rows"], found["facts"]


def revoked_with(output: str) -> list[int]:
    """How many records members had in hand, uncommitted, each time that partitions were taken from them."""
    lines = (line for line in output.splitlines() if '"partitions revoked with records uncommitted"' in line)
    return [json.loads(line)["records"] for line in lines]


async def rollups_say_what_facts_say(warehouse: Warehouse) -> None:
    """Wait until they do: the consumers compute them beside the writing."""
    async with asyncio.timeout(120):
        while any((await differing_rows(warehouse, "acme", "Europe/Berlin")).values()):
            await asyncio.sleep(1.0)


async def test_8_consumers_on_12_partitions_joining_and_leaving(
    on_server: OnKafka, report: Report, rounds: Rounds
) -> None:
    chance = random.Random(42)
    kills = leaves = 0
    warehouse = await open_warehouse(on_server.warehouse_url, "a test")
    try:
        # A merge would fold away what was written twice before it could be counted; without any, parts pile up.
        await warehouse.command("SYSTEM STOP MERGES activity")
        await warehouse.command(
            "ALTER TABLE activity MODIFY SETTING parts_to_delay_insert = 1000000, parts_to_throw_insert = 1000000"
        )
        for _ in range(MEMBERS):
            on_server.start_consumer()
        await asyncio.to_thread(on_server.start, "ingest")
        load = Load(on_server.webhook_url, report, senders=16)
        async with load.posting():
            with load.outage(f"{MEMBERS} consumers on 12 partitions, joining and leaving"):
                for number in rounds(short=4, at_least=100):
                    await load.until_accepted(100)
                    leave = on_server.kill_consumer if number % 2 else on_server.stop_consumer
                    await asyncio.to_thread(leave, chance.randrange(MEMBERS))
                    on_server.start_consumer()
                    kills, leaves = kills + number % 2, leaves + 1
                    await asyncio.sleep(chance.uniform(0.0, 5.0 if rounds.long else 1.0))
        await on_server.caught_up()
        await rollups_say_what_facts_say(warehouse)
        rows, facts = await rows_written(warehouse)
    finally:
        await warehouse.close()
    await finished(on_server, load)
    report.say(
        f"{MEMBERS} consumers on 12 partitions: {facts} facts, {leaves} left ({kills} killed) and as many joined, "
        f"{rows - facts} rows written twice"
    )
    assert load.refused == 0
    # Whoever goes leaves at most one batch uncommitted, and so does who is taken for gone, as on a busy machine.
    held = revoked_with(on_server.output)
    assert max(held, default=0) <= on_server.batch_records
    assert rows - facts <= leaves * on_server.batch_records + sum(held)
