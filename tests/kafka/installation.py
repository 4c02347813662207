"""A Rollcall on Kafka: `rollcall ingest` and any number of `rollcall consume` as processes of their own."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from rollcall.runtime import WAREHOUSE_GROUP, opened
from rollcall.settings import load_settings
from tests.endtoend.installation import PATIENCE, SECRET, Installation, rollcall
from tests.ports import free_port

CHILD = Path(__file__).with_name("fault_child.py")
QUICK: Mapping[str, object] = {
    "partitions": 4,
    "replication_factor": 1,
    "min_insync_replicas": 1,
    "request_timeout": 2,
    "append_timeout": 2.5,
    "session_timeout": 2,
}


@dataclass
class OnKafka(Installation):
    """Ingest is the installation's own process; the consumers are further ones."""

    address: str = ""
    warehouse_url: str = ""
    """A server's; else the embedded engine in the folder, which one consumer at a time can have."""
    kafka: Mapping[str, object] = field(default_factory=dict)
    batch_records: int = 20_000
    topic_prefix: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex[:12]}")
    consumers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    consumer_port: int = field(default_factory=free_port)
    """Where the first consumer is asked how it is."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.warehouse_url = self.warehouse_url or f"chdb://{self.folder}/warehouse"
        kafka = "\n".join(f"{name} = {value}" for name, value in {**QUICK, **self.kafka}.items())
        self.config.write_text(
            f"""
            listen = "127.0.0.1:{self.port}"
            sql_listen = "127.0.0.1:{self.sql_port}"
            log_url = "kafka://{self.address}"
            warehouse_url = "{self.warehouse_url}"
            topic_prefix = "{self.topic_prefix}"
            {self.extra_settings}
            [consumer]
            batch_records = {self.batch_records}
            batch_seconds = 0.2
            backoff_max = 1.0
            [kafka]
            {kafka}
            [sites.acme]
            url = "https://acme.atlassian.net"
            webhook_secrets = ["{SECRET}"]
            timezone = "{self.timezone}"
            """
        )

    @property
    def consumer_url(self) -> str:
        return f"http://127.0.0.1:{self.consumer_port}"

    async def metric(self, url: str, name: str) -> float:
        """What the process at an address says of a metric, named with its labels; 0 when it says nothing."""
        async with httpx.AsyncClient(timeout=30) as client:
            told = (await client.get(f"{url}/metrics")).text.splitlines()
        return sum(float(line.split()[-1]) for line in told if line.startswith(name))

    async def facts_waiting(self, url: str) -> float:
        """How many facts wait to be written, as the process at an address says."""
        labels = f'group="{WAREHOUSE_GROUP}",topic="{self.topic_prefix}.activity"'
        return await self.metric(url, f"rollcall_log_lag_records{{{labels}}}")

    def begin(self) -> None:
        """Start ingest and a consumer."""
        self.start_consumer()
        self.start("ingest")

    def start_consumer(self) -> None:
        self._launch_consumer(*rollcall("consume", "--config", str(self.config)))

    def start_consumer_that_dies(self, inserts: int) -> None:
        """A consumer that is gone right after so many inserts, before it commits the last."""
        self._launch_consumer(sys.executable, str(CHILD), str(self.config), str(inserts))

    def wait_for_consumers_end(self) -> None:
        """Wait until the consumer that dies has died."""
        [dying] = self.consumers
        assert dying.wait(PATIENCE) == -signal.SIGKILL, self.output
        self.consumers.clear()

    def kill_consumer(self, index: int = 0) -> None:
        """SIGKILL."""
        consumer = self.consumers.pop(index)
        assert consumer.poll() is None, self.output
        consumer.kill()
        consumer.wait()

    def stop_consumer(self, index: int = 0) -> None:
        """SIGTERM: it finishes its batch and leaves the group."""
        consumer = self.consumers.pop(index)
        consumer.send_signal(signal.SIGTERM)
        # The latter when it was told before it had begun.
        assert consumer.wait(PATIENCE) in (0, -signal.SIGTERM), self.output

    async def consumer_answers(self) -> bool:
        """Whether the first consumer can be asked how it is."""
        try:
            async with httpx.AsyncClient(timeout=30) as client:
                return (await client.get(f"{self.consumer_url}/healthz")).status_code == httpx.codes.OK
        except httpx.ConnectError:
            return False

    async def consumer_at_work(self) -> None:
        """Wait until the first consumer has written something."""
        written = f'rollcall_consumed_records_total{{outcome="written",topic="{self.topic_prefix}.activity"}}'
        async with asyncio.timeout(PATIENCE):
            while not (await self.consumer_answers() and await self.metric(self.consumer_url, written)):
                await asyncio.sleep(0.05)

    async def caught_up(self) -> None:
        """Wait until the consumers have written all that is on the log."""
        settings = load_settings(self.config)
        deadline = time.monotonic() + 2 * PATIENCE
        async with opened(settings, "a test") as runtime:
            topic = runtime.topics.activity.name
            while (await runtime.log.state(topic)).lag.get(WAREHOUSE_GROUP) != 0:
                assert time.monotonic() < deadline, f"not all was written\n{self.output[-5000:]}"
                assert all(consumer.poll() is None for consumer in self.consumers), self.output
                await asyncio.sleep(0.05)

    async def finish(self) -> None:
        """Stop ingest, let the consumers catch up, and stop them."""
        assert await asyncio.to_thread(self.stop) == 0, self.output
        await self.caught_up()
        for consumer in self.consumers:
            consumer.send_signal(signal.SIGTERM)
        for consumer in self.consumers:
            assert await asyncio.to_thread(consumer.wait, PATIENCE) == 0, self.output
        self.consumers.clear()

    def end(self) -> None:
        """Leave no process behind."""
        for process in (self.process, *self.consumers):
            if process and process.poll() is None:
                process.kill()
                process.wait()

    def _launch_consumer(self, *command: str) -> None:
        listen = "" if self.consumers else f"127.0.0.1:{self.consumer_port}"
        with (self.folder / "up.log").open("ab") as log:
            environment = {**os.environ, "ROLLCALL_CONSUMER__LISTEN": listen}
            self.consumers.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))


@contextmanager
def installed(folder: Path, migrated: Path, **where: Any) -> Iterator[OnKafka]:
    """A Rollcall that is not started, with a copy of a warehouse that has its tables."""
    shutil.copytree(migrated / "warehouse", folder / "warehouse", symlinks=True)
    made = OnKafka(folder, **where)
    try:
        yield made
    finally:
        made.end()
