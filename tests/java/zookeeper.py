"""Apache ZooKeeper's own server, run on this machine: what replicas of ClickHouse find each other by."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.java.jars import FAST, ZOOKEEPER
from tests.ports import answers, free_ports

_MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
_START_SECONDS = 90.0


@contextmanager
def zookeeper(folder: Path) -> Iterator[int]:
    """Run a server in a new folder, and give its port of 127.0.0.1."""
    folder.mkdir(parents=True)
    [port] = free_ports(1)
    properties = {
        "dataDir": folder / "data",
        "clientPort": port,
        "clientPortAddress": "127.0.0.1",
        "admin.enableServer": "false",
    }
    settings = folder / "zoo.cfg"
    settings.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    output = folder / "output"
    command = ["java", "-Xmx128m", *FAST, "-cp", ZOOKEEPER.classpath(), _MAIN, str(settings)]
    with output.open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not answers(port):
                said = output.read_text(errors="replace")[-4000:]
                assert process.poll() is None, f"ZooKeeper ended\n{said}"
                assert time.monotonic() < deadline, f"ZooKeeper never answered\n{said}"
                time.sleep(0.1)
            yield port
        finally:
            process.kill()
