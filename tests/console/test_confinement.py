"""The engine process keeps to its own files and ports, by the kernel: each try in a process that was confined."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from console.checks.installation import confinement_finding
from console.engine import confinement
from rollcall.settings import Settings

from ..ports import free_port

if not confinement.version():
    pytest.skip(f"this kernel confines nothing: {confinement.unconfined()}", allow_module_level=True)

PROGRAM = """
import json, os, signal, socket, subprocess, sys
from pathlib import Path
from console.engine.confinement import confine
from rollcall.settings import Settings

given = json.loads(sys.argv[1])
confine(Settings(**given["settings"]))
os.chdir("/")

def connect(port):
    socket.create_connection(("127.0.0.1", port), timeout=5).close()

def listen(port):
    socket.create_server(("127.0.0.1", port)).close()

def ask(*statements):
    import chdb
    engine = chdb.connect(given["warehouse"])
    said = [str(engine.query(one, "TSV")).strip() for one in statements]
    return said[-1]

try:
    print(json.dumps({"said": eval(given["what"])}), flush=True)
except Exception as error:
    print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
os._exit(0)
"""


class Confined:
    """What a confined engine process is allowed on a small installation."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.sql_port = folder, free_port()
        self.log = folder / "log" / "events.db"
        self.log.parent.mkdir()
        self.log.write_text("facts")
        (self.log.parent / "api_token").write_text("secret")
        self.warehouse = folder / "warehouse"

    def attempt(self, what: str) -> dict[str, Any]:
        settings = {
            "log_url": f"sqlite://{self.log}",
            "warehouse_url": f"chdb://{self.warehouse}",
            "sql_listen": f"127.0.0.1:{self.sql_port}",
            "sites": {"acme": {"url": "https://acme.atlassian.net", "unsigned": True}},
        }
        given = {"settings": settings, "warehouse": str(self.warehouse), "what": what}
        command = [sys.executable, "-c", PROGRAM, json.dumps(given)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.stdout, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer


@pytest.fixture
def confined(tmp_path: Path) -> Confined:
    return Confined(tmp_path)


def test_the_engine_works_in_its_folder(confined: Confined) -> None:
    statements = (
        "CREATE TABLE t (a Int32) ENGINE = MergeTree ORDER BY a",
        "INSERT INTO t VALUES (1)",
        "INSERT INTO t VALUES (2)",
        "OPTIMIZE TABLE t FINAL",
        "ALTER TABLE t DELETE WHERE a = 1 SETTINGS mutations_sync = 2",
        "SELECT sum(a), toDateTime('2026-01-01 00:00:00', 'Europe/Berlin') FROM t",
    )
    assert confined.attempt(f"ask(*{statements!r})") == {"said": "2\t2026-01-01 00:00:00"}


def filtered(condition: str) -> str:
    """Count rows under a filter that comes as text in a setting."""
    quoted = condition.replace("'", "\\'")
    filters = f"{{{{'system.one': '{quoted}'}}}}"
    return f"SELECT count() FROM system.one SETTINGS additional_table_filters = {filters}, http_max_tries = 1"


def test_a_filter_in_a_setting_reads_what_is_in_its_folder(confined: Confined) -> None:
    (confined.warehouse.parent / "log" / "events.db").write_text("facts\n")
    assert confined.attempt(f"ask({filtered('dummy = 1').format()!r})") == {"said": "0"}
    log = filtered("'facts' IN (SELECT * FROM file('{folder}/log/events.db', LineAsString))")
    assert confined.attempt(f"ask({log.format(folder=confined.folder)!r})") == {"said": "1"}


@pytest.mark.parametrize(
    "statement",
    [
        filtered("length(file('/etc/passwd')) > 0"),
        filtered("length(file('{folder}/log/api_token')) > 0"),
        filtered("'secret' IN (SELECT * FROM file('{folder}/log/api_token', LineAsString))"),
        filtered("0 IN (SELECT 1 FROM url('http://127.0.0.1:{port}/', TSV, 'a String'))"),
        "SELECT 1 SETTINGS additional_result_filter = 'length(file(\\'/etc/passwd\\')) > 0'",
        "SELECT length(file('/etc/passwd'))",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT a FROM values('b UInt8, a String ALIAS file(''/etc/passwd'')', 1)",
        "SELECT 1 INTO OUTFILE '{folder}/written'",
        "INSERT INTO FUNCTION file('{folder}/written', 'TSV', 'a Int32') VALUES (1)",
        "SELECT length(file('{folder}/log/api_token'))",
        "SELECT * FROM url('http://127.0.0.1:{port}/', 'TSV', 'a String') SETTINGS http_max_tries = 1",
        "SELECT * FROM mysql('127.0.0.1:{port}', 'd', 't', 'u', 'p')",
    ],
)
def test_whatever_a_query_brings_it_to_do_is_refused(confined: Confined, statement: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        asked = statement.format(folder=confined.folder, port=listener.getsockname()[1])
        answer = confined.attempt(f"ask({asked!r})")
        assert "said" not in answer
        assert "SYNTAX_ERROR" not in answer["error"]
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert not (confined.folder / "written").exists()


def test_python_itself_is_kept_from_them_too(confined: Confined) -> None:
    elsewhere, token = confined.folder / "elsewhere", confined.log.parent / "api_token"
    for what in (
        "Path('/etc/passwd').read_text()",
        f"Path({str(token)!r}).read_text()",
        f"Path({str(elsewhere)!r}).write_text('')",
        f"Path({str(confined.log.parent / 'new')!r}).write_text('')",
        f"Path('/proc/{os.getpid()}/environ').read_bytes()",
        "subprocess.run(['/usr/bin/env', 'cat', '/etc/passwd'], check=True, stderr=subprocess.DEVNULL)",
    ):
        answer = confined.attempt(what)
        assert "PermissionError" in answer.get("error", "") or "CalledProcessError" in answer.get("error", ""), what
    assert not elsewhere.exists()
    assert confined.attempt(f"Path({str(confined.log)!r}).read_text()") == {"said": "facts"}


@pytest.mark.skipif(bool(confinement.unconfined()), reason="this kernel confines no ports")
def test_it_listens_where_it_should_and_connects_nowhere(confined: Confined) -> None:
    assert confined.attempt(f"listen({confined.sql_port})") == {"said": None}
    assert confined.attempt("listen(0)") == {"said": None}
    assert "PermissionError" in confined.attempt(f"listen({free_port()})")["error"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert "PermissionError" in confined.attempt(f"connect({listener.getsockname()[1]})")["error"]


@pytest.mark.skipif(confinement.version() < 6, reason="this kernel confines no signals")
def test_it_ends_no_other_process(confined: Confined) -> None:
    assert "PermissionError" in confined.attempt(f"os.kill({os.getpid()}, {int(signal.SIGWINCH)})")["error"]


def told_by_check(settings: Settings) -> str:
    finding = confinement_finding(settings)
    return finding.found if finding else ""


def test_a_kernel_that_cannot_is_told_by_check(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(warehouse_url="chdb:///var/rollcall/warehouse", sites={})
    assert told_by_check(settings).startswith("the kernel keeps it")
    monkeypatch.setattr("console.engine.confinement.version", lambda: 0)
    assert "Landlock" in told_by_check(settings)
    monkeypatch.setattr("console.engine.confinement.version", lambda: 3)
    assert "ports" in told_by_check(settings)
    assert confinement_finding(Settings(warehouse_url="clickhouse://user@host:8123/rollcall", sites={})) is None
