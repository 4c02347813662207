"""ClickHouse's official drivers, fetched once by their package managers into a cache outside of the source tree.

`python -m tests.clients.drivers` fetches them all, with no more than Python's own library.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.java.jars import FAST, Jars

HERE = Path(__file__).parent
REQUIRE_VARIABLE = "ROLLCALL_REQUIRE_CLIENTS"
_JDBC = Jars(HERE / "java" / "pom.xml", "jdbc", "clickhouse-jdbc")
_PATIENCE = 600.0


def cache() -> Path:
    """The folder of what was fetched."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rollcall" / "clients"


def lacking(*commands: str) -> str:
    """Say which of some commands are not installed; nothing when all are."""
    absent = [command for command in commands if not _which(command)]
    return f"not installed: {', '.join(absent)}" if absent else ""


def java() -> list[str]:
    """The command line of the client in Java, which asks for a JDK and Maven."""
    return ["java", *FAST, "-cp", _JDBC.classpath(), str(HERE / "java" / "JdbcClient.java")]


def node() -> list[str]:
    """The command line of the client in JavaScript, which asks for Node.js and npm; needs `node_path`."""
    node_modules(HERE / "node")
    return ["node", str(HERE / "node" / "client.cjs")]


def node_path() -> str:
    """Where Node.js finds the driver, as the variable NODE_PATH."""
    return str(node_modules(HERE / "node"))


def node_modules(package: Path) -> Path:
    """The folder of the packages that the package.json of a folder asks for, fetched by npm when it changed."""
    asked = package / "package.json"
    folder = cache() / f"node-{hashlib.sha256(asked.read_bytes()).hexdigest()[:16]}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            shutil.copy(asked, scratch)
            _run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"], scratch)
            shutil.copytree(f"{scratch}/node_modules", f"{scratch}.done/node_modules", symlinks=True)
        try:
            Path(f"{scratch}.done").rename(folder)
        except OSError:  # another process was faster
            shutil.rmtree(f"{scratch}.done")
    return folder / "node_modules"  # by this name modules find one another


def go() -> list[str]:
    """The command line of the client in Go, built anew when its source or its modules changed."""
    sources = sorted((HERE / "go").iterdir())
    built = cache() / f"go-{hashlib.sha256(b''.join(one.read_bytes() for one in sources)).hexdigest()[:16]}"
    if not built.is_file():
        built.parent.mkdir(parents=True, exist_ok=True)
        # Without cgo nothing of C is compiled, which takes as long as all the rest.
        environment = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -mod=readonly", "GOTOOLCHAIN": "local"}
        fresh = built.with_name(f"{built.name}.{os.getpid()}")
        _run([_new_enough_go(), "build", "-o", str(fresh), "."], HERE / "go", environment)
        fresh.rename(built)
    return [str(built)]


def _new_enough_go() -> str:
    """The installed Go, or the one that go.mod asks for, which the module proxy has, where that one is older.

    From 1.21 on Go would fetch it by itself, unless GOTOOLCHAIN forbids it; Debian 12 has 1.19.
    """
    installed = _which("go") or "go"
    [wanted] = re.findall(r"^go ([\d.]+)$", (HERE / "go" / "go.mod").read_text(), re.MULTILINE)
    said = _run([installed, "env", "GOVERSION", "GOOS", "GOARCH"], "/", {"GOTOOLCHAIN": "local"}).split()
    version, system, processor = said
    if _numbers(version) >= _numbers(wanted):
        return installed
    made = cache() / f"go-toolchain-{wanted}"
    if not made.is_dir():
        made.parent.mkdir(parents=True, exist_ok=True)
        module = f"golang.org/toolchain@v0.0.1-go{wanted}.{system}-{processor}"
        fetched = json.loads(_run([installed, "mod", "download", "-json", module], "/", {"GOTOOLCHAIN": "local"}))[
            "Dir"
        ]
        with tempfile.TemporaryDirectory(dir=made.parent) as scratch:
            fresh = Path(shutil.copytree(fetched, f"{scratch}/go", copy_function=shutil.copyfile))
            for path in (fresh, *fresh.rglob("*")):
                if path.is_dir():
                    path.chmod(0o755)
                elif path.is_relative_to(fresh / "bin") or path.is_relative_to(fresh / "pkg" / "tool"):
                    path.chmod(0o755)  # a module's zip has no modes
                elif path.name == "_go.mod":  # nor any go.mod but its own
                    shutil.copyfile(path, path.with_name("go.mod"))
            with suppress(OSError):  # another process was faster
                fresh.rename(made)
    return str(made / "bin" / "go")


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _which(command: str) -> str | None:
    # Go's own installer puts it where no PATH leads to.
    return shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/local/go/bin")


def _run(command: Sequence[str], folder: str | Path, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    said = f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{said}"
    return done.stdout


if __name__ == "__main__":
    for what in (java, node, go):
        print(*what(), file=sys.stderr)
