"""Apache Kafka's jars, fetched once by Maven into a cache outside of the source tree."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

_POM = Path(__file__).with_name("pom.xml")
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_PATIENCE = 600.0


def kafka_version() -> str:
    found = re.search(r"<kafka\.version>([\d.]+)</kafka\.version>", _POM.read_text())
    assert found, "pom.xml names no version of Kafka"
    return found[1]


def can_run_java() -> bool:
    """Whether Java is there, and either the jars or Maven to fetch them."""
    return bool(shutil.which("java") and (_complete(_folder()) or shutil.which("mvn")))


def classpath() -> str:
    """Return the class path of a broker, fetching the jars if they are not there yet."""
    folder = _folder()
    if not _complete(folder):
        _fetch(folder)
    return f"{folder}/*"


def _folder() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "rollcall" / f"kafka-{kafka_version()}"


def _complete(folder: Path) -> bool:
    return (folder / f"kafka_2.13-{kafka_version()}.jar").is_file()


def _fetch(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    # In a folder of its own first: a fetch that was cut short, or a second one beside it, leaves nothing half done.
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        pom = shutil.copy(_POM, scratch)
        jars = Path(scratch) / "jars"
        command = ["mvn", "-q", "-B", "-f", str(pom), _COPY, f"-DoutputDirectory={jars}", "-DincludeScope=runtime"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        assert done.returncode == 0, f"Maven could not fetch Kafka's jars:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        if not _complete(folder):
            shutil.rmtree(folder, ignore_errors=True)
            jars.rename(folder)
