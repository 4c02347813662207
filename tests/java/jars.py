"""Jars that a pom.xml names, fetched once by Maven into a cache outside of the source tree."""

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_PATIENCE = 600.0
FAST = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
"""Options of a JVM that is to be up soon and small."""


@dataclass(frozen=True)
class Jars:
    """One program's jars.

    Attributes:
        pom: Names them; its property ``<name>.version`` is the program's version.
        name: Of the program.
        main: Name of its own jar, without the version.
    """

    pom: Path
    name: str
    main: str

    @property
    def version(self) -> str:
        found = re.search(rf"<{self.name}\.version>([\d.]+)</", self.pom.read_text())
        assert found, f"{self.pom.name} names no version of {self.name}"
        return found[1]

    @property
    def can_run(self) -> bool:
        """Whether Java is there, and either the jars or Maven to fetch them."""
        return bool(shutil.which("java") and (self._complete or shutil.which("mvn")))

    def classpath(self) -> str:
        """Return the program's class path, fetching the jars if they are not there yet."""
        if not self._complete:
            self._fetch()
        return f"{self._folder}/*"

    @property
    def _folder(self) -> Path:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cache / "rollcall" / f"{self.name}-{self.version}"

    @property
    def _complete(self) -> bool:
        return (self._folder / f"{self.main}-{self.version}.jar").is_file()

    def _fetch(self) -> None:
        folder = self._folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        # In a folder of its own first: a fetch that was cut short, or a second one beside it, leaves nothing half done.
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            pom = shutil.copy(self.pom, scratch)
            jars = Path(scratch) / "jars"
            command = ["mvn", "-q", "-B", "-f", str(pom), _COPY, f"-DoutputDirectory={jars}", "-DincludeScope=runtime"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
            said = f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
            assert done.returncode == 0, f"Maven could not fetch the jars of {self.name}:\n{said}"
            if not self._complete:
                shutil.rmtree(folder, ignore_errors=True)
                jars.rename(folder)


KAFKA = Jars(Path(__file__).with_name("kafka.xml"), "kafka", "kafka_2.13")
ZOOKEEPER = Jars(Path(__file__).with_name("zookeeper.xml"), "zookeeper", "zookeeper")
