"""A person is forgotten where the log is Kafka: out of the warehouse for good, and what the topics keep is said."""

import asyncio

import pytest

from tests.endtoend.webhooks import Told
from tests.kafka.installation import OnKafka

pytestmark = pytest.mark.anyio

THEIRS, ANOTHERS = Told(1, "comment"), Told(2, "comment")


def accounts(installation: OnKafka) -> list[str]:
    return [row["account_id"] for row in installation.report("users", "--days", "9999")]


async def test_the_warehouse_forgets_and_the_topics_are_named(on_server: OnKafka) -> None:
    await asyncio.to_thread(on_server.begin)
    for told in (THEIRS, ANOTHERS):
        assert on_server.post(told.body) == 204
    assert on_server.post(b'{"user": "%s"' % THEIRS.account_id.encode()) == 204
    await asyncio.to_thread(on_server.wait_until_shown)
    assert sorted(accounts(on_server)) == [THEIRS.account_id, ANOTHERS.account_id]

    done = await asyncio.to_thread(on_server.run, "forget", "--yes", THEIRS.account_id, check=False)
    assert done.returncode == 3, (done.stdout, done.stderr)
    left = [line.partition(" records")[0] for line in done.stdout.splitlines()[1:]]
    prefix = on_server.topic_prefix
    assert left == [f"topic {prefix}.activity: 1", f"topic {prefix}.deadletter: 1"]
    assert accounts(on_server) == [ANOTHERS.account_id]
    assert "[]" in on_server.run("deadletter", "list", "--format", "json").stdout

    later = Told(THEIRS.number + 50, "worklog")
    assert later.account_id == THEIRS.account_id
    for told in (later, THEIRS, ANOTHERS):
        assert on_server.post(told.body) == 204
    await asyncio.to_thread(on_server.wait_until_shown)
    assert accounts(on_server) == [ANOTHERS.account_id]
    verified = await asyncio.to_thread(on_server.run, "forget", "--verify", THEIRS.account_id, check=False)
    assert (verified.returncode, "column" in verified.stdout) == (1, False)
    assert f"topic {prefix}.activity: 3 records" in verified.stdout
