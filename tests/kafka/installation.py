"""A Rollcall on Kafka: `rollcall ingest` and `rollcall consume` as processes of their own."""

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

from console.opening import opened_log
from rollcall.settings import load_settings
from rollcall.topics import WAREHOUSE_GROUP, topics_of
from tests.endtoend.installation import PATIENCE, SECRET, Installation, rollcall

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
    """Ingest is the installation's own process; the consumer is a second one."""

    address: str = ""
    kafka: Mapping[str, object] = field(default_factory=dict)
    topic_prefix: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex[:12]}")
    consumer: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        kafka = "\n".join(f"{name} = {value}" for name, value in {**QUICK, **self.kafka}.items())
        self.config.write_text(
            f"""
            listen = "127.0.0.1:{self.port}"
            log_url = "kafka://{self.address}"
            warehouse_url = "chdb://{self.folder}/warehouse"
            topic_prefix = "{self.topic_prefix}"
            {self.extra_settings}
            [consumer]
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

    def begin(self) -> None:
        """Start both."""
        self.start_consumer()
        self.start("ingest")

    def start_consumer(self) -> None:
        self._launch_consumer(*rollcall("consume", "--config", str(self.config)))

    def start_consumer_that_dies(self, inserts: int) -> None:
        """A consumer that is gone right after so many inserts, before it commits the last."""
        self._launch_consumer(sys.executable, str(CHILD), str(self.config), str(inserts))

    def wait_for_consumers_end(self) -> None:
        assert self.consumer
        assert self.consumer.wait(PATIENCE) == -signal.SIGKILL, self.output

    def kill_consumer(self) -> None:
        assert self.consumer
        assert self.consumer.poll() is None, self.output
        os.kill(self.consumer.pid, signal.SIGKILL)
        self.consumer.wait()

    async def finish(self) -> None:
        """Stop ingest, let the consumer catch up, and stop it."""
        assert await asyncio.to_thread(self.stop) == 0, self.output
        settings = load_settings(self.config)
        deadline = time.monotonic() + 2 * PATIENCE
        async with opened_log(settings) as log:
            topic = topics_of(settings).activity.name
            while (await log.state(topic)).lag.get(WAREHOUSE_GROUP) != 0:
                assert time.monotonic() < deadline, f"not all was written\n{self.output[-5000:]}"
                assert self.consumer
                assert self.consumer.poll() is None, self.output
                await asyncio.sleep(0.05)
        assert self.consumer
        self.consumer.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(self.consumer.wait, PATIENCE) == 0, self.output

    def end(self) -> None:
        """Leave no process behind."""
        for process in (self.process, self.consumer):
            if process and process.poll() is None:
                process.kill()
                process.wait()

    def _launch_consumer(self, *command: str) -> None:
        with (self.folder / "up.log").open("ab") as log:
            self.consumer = subprocess.Popen(command, stdout=log, stderr=log)


@contextmanager
def installed(folder: Path, migrated: Path, **where: Any) -> Iterator[OnKafka]:
    """A Rollcall that is not started, with a copy of a warehouse that has its tables."""
    shutil.copytree(migrated / "warehouse", folder / "warehouse", symlinks=True)
    made = OnKafka(folder, **where)
    try:
        yield made
    finally:
        made.end()
