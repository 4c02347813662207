"""A broker of Apache Kafka's own, run on this machine in KRaft mode, to be killed and stopped at will."""

import base64
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka.admin import AdminClient

from tests.hanging import hang
from tests.java.jars import FAST, KAFKA
from tests.kafka.broker.certificates import Certificates
from tests.ports import answers

CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg"
_START_SECONDS = 90.0
_STOP_SECONDS = 20.0


class JavaBroker:
    """One broker process and its folder.

    Args:
        folder: Where its settings, data and output go.
        port: Where clients find it.
        properties: Its server.properties, without the folder of its data.
        format_options: Further options of the storage tool, such as users.
    """

    def __init__(self, folder: Path, port: int, properties: Mapping[str, object], *format_options: str) -> None:
        self._folder = folder
        self._format_options = format_options
        self.port = port
        self.listeners: Mapping[str, int] = {}
        self.certificates: Certificates | None = None
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        lines = [f"{name}={value}" for name, value in {**properties, "log.dirs": self._data}.items()]
        self._properties.write_text("\n".join(lines) + "\n")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        path = self._folder / "broker.log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _properties(self) -> Path:
        return self._folder / "server.properties"

    def format(self) -> None:
        """Make its data folder."""
        storage = ["format", "-t", CLUSTER_ID, "-c", str(self._properties), *self._format_options]
        self.tool("kafka.tools.StorageTool", *storage)

    def segments(self, topic: str) -> list[Path]:
        """Return the files in which it keeps the records of a topic."""
        return sorted(self._data.glob(f"{topic}-*/*.log"))

    def tool(self, name: str, *arguments: str) -> str:
        """Run one of Kafka's own tools; return what it prints."""
        command = self._java("128m", name, *arguments)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def format_like(self, other: "JavaBroker", node: int) -> None:
        """Make its data folder from that of another broker of the same cluster, which takes no JVM."""
        shutil.copytree(other._data, self._data)
        meta = self._data / "meta.properties"
        lines = [line for line in meta.read_text().splitlines() if not line.startswith(("node.id=", "directory.id="))]
        directory = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        meta.write_text("\n".join([*lines, f"node.id={node}", f"directory.id={directory}"]) + "\n")

    def launch(self) -> None:
        """Start it without waiting until it answers."""
        if not (self._data / "meta.properties").exists():
            self.format()
        with (self._folder / "broker.log").open("ab") as log:
            self.process = subprocess.Popen(
                self._java("256m", "kafka.Kafka", str(self._properties)), stdout=log, stderr=log
            )

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + _START_SECONDS
        while not answers(self.port):
            assert self.process
            assert self.process.poll() is None, f"the broker ended\n{self.output}"
            assert time.monotonic() < deadline, f"the broker never answered\n{self.output}"
            time.sleep(0.1)

    def wait_until_it_works(self) -> None:
        """Wait until it counts as a broker again: one that hung for long is none, for its controller, for a while."""
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        deadline = time.monotonic() + _START_SECONDS
        while not admin.list_topics(timeout=_START_SECONDS).brokers:
            assert time.monotonic() < deadline, f"the broker never came back\n{self.output}"
            time.sleep(0.1)

    def start(self) -> None:
        self.launch()
        self.wait()

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, nobody is told."""
        self._signal(signal.SIGKILL)
        assert self.process
        self.process.wait()

    def hang(self) -> None:
        """SIGSTOP: connections stay open, and nothing answers on them."""
        assert self.process
        hang(self.process.pid)

    def go_on(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def revive(self) -> None:
        """See that it runs, whatever was done to it."""
        if self.process and self.process.poll() is None:
            self.go_on()
        else:
            self.start()

    def stop(self) -> None:
        """Stop it for good, whatever state it is in."""
        if self.process and self.process.poll() is None:
            self._signal(signal.SIGCONT)
            self._signal(signal.SIGKILL)
            self.process.wait(_STOP_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        assert self.process
        os.kill(self.process.pid, number)

    def _java(self, heap: str, *arguments: str) -> list[str]:
        return ["java", "-Xms32m", f"-Xmx{heap}", *FAST, "-cp", KAFKA.classpath(), *arguments]
