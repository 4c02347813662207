"""Count the files of the product that run for one webhook, one batch, one page, one SQL query and one reconcile run.

python -m tools.hops [--list] [webhook | batch | page | query | reconcile ...]

Each is a real one: the commands themselves, on SQLite, the embedded engine and a simulated Jira site, profiled by
`sys.setprofile` in every thread. A file counts when a function of it runs between the request's first byte and the
answer's last one. For a batch that is from the webhook's record on the log to its commit; for a reconcile run from when
the command has loaded its settings to its end, with its printing, beside an `up` that consumes. Files that only define
something do not run and do not count. Each request is repeated with other content, and what runs only in some of the
repetitions is left out: that was background work. Of the page the first look after the start counts, when nothing is
cached, unless a later one takes more.
"""

import argparse
import dis
import hashlib
import hmac
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import httpx
import msgspec

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("rollcall", "ingest", "reconcile", "consumers", "console")
MOST = {"webhook": 14, "batch": 11, "page": 24, "query": 12, "reconcile": 47}
"""Most files that may run for each, by the house's rule."""

_SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - of this measurement's own site
_PASSWORD = "correct horse battery"  # noqa: S105 - of this measurement's own page
_TOKEN = "simulator-token"  # noqa: S105 - the simulator's own
_REPEATS = 5
_PATIENCE = 60.0


class Profile:
    """Notes the files of the product whose functions are called while it records, in all threads of this process."""

    def __init__(self) -> None:
        self._recorded: set[str] | None = None
        self._waits_for: CodeType | None = None
        threading.setprofile(self._called)
        sys.setprofile(self._called)

    @contextmanager
    def recorded(self, after: CodeType | None = None) -> Iterator[set[str]]:
        """Give the set that fills while the block lasts, from when a function has returned, if one is named."""
        found: set[str] = set()
        self._recorded, self._waits_for = found, after
        try:
            yield found
        finally:
            self._recorded = None

    def _called(self, frame: FrameType, event: str, _: object) -> None:
        found = self._recorded
        if found is None:
            return
        if self._waits_for is not None:
            if event == "return" and frame.f_code is self._waits_for:
                self._waits_for = None
        elif event == "call" and frame.f_code.co_name != "<module>" and _begins(frame):
            found.add(frame.f_code.co_filename)


def _begins(frame: FrameType) -> bool:
    """Tell a call from a coroutine that goes on where it waited: its RESUME instruction has an argument."""
    code, at = frame.f_code.co_code, frame.f_lasti
    return at < 0 or dis.opname[code[at]] != "RESUME" or code[at + 1] == 0


def product_files(names: set[str]) -> list[str]:
    """Return those of the product, relative to the repository."""
    found = []
    for name in names:
        with suppress(ValueError):
            path = Path(name).resolve().relative_to(ROOT)
            if path.parts[0] in PRODUCT:
                found.append(path.as_posix())
    return sorted(found)


class Installation:
    """Settings, log and warehouse in a scratch folder.

    Args:
        folder: The scratch folder.
        jira: Where the simulated site is; empty for none, and then nothing is read from it in the background.
    """

    def __init__(self, folder: Path, jira: str) -> None:
        self.folder = folder
        self.port, self.page_port, self.sql_port = _free_port(), _free_port(), _free_port()
        self.cookies: dict[str, str] = {}
        self.config = folder / "rollcall.toml"
        self.config.write_text(
            f"""
            listen = "127.0.0.1:{self.port}"
            sql_listen = "127.0.0.1:{self.sql_port}"
            log_url = "sqlite://{folder}/events.db"
            warehouse_url = "chdb://{folder}/warehouse"
            [page]
            listen = "127.0.0.1:{self.page_port}"
            password = "{_PASSWORD}"
            [reconcile]
            daily_at = ""
            [sites.acme]
            url = "{jira or "https://acme.atlassian.net"}"
            {'email = "svc@acme.example"' if jira else ""}
            {f'api_token = "{_TOKEN}"' if jira else ""}
            webhook_secrets = ["{_SECRET}"]
            timezone = "Europe/Berlin"
            """
        )

    def arguments(self, *command: str) -> list[str]:
        """Return a command line's arguments."""
        return [*command, "--config", str(self.config)]

    @contextmanager
    def process(self, *command: str, port: int) -> Iterator[None]:
        """Run a command as a process of its own while the block lasts; of `up` its engine is there, too."""
        running = subprocess.Popen(
            [sys.executable, "-m", "console", *self.arguments(*command)], stderr=subprocess.DEVNULL, cwd=ROOT
        )
        try:
            _wait_for(port)
            _wait_until_ready(port)
            yield
        finally:
            running.terminate()
            running.wait()

    @contextmanager
    def ordered(self) -> Iterator[None]:
        """Let stdin be what an `up` of these settings would tell its engine, while the block lasts."""
        from console.engine.order import Order, engine_settings
        from rollcall.settings import load_settings

        settings = engine_settings(load_settings(self.config))
        reading, writing = os.pipe()
        os.dup2(reading, 0)
        os.write(writing, msgspec.json.encode(Order(front=os.getppid(), token=_TOKEN, settings=settings)) + b"\n")
        try:
            yield
        finally:
            os.close(writing)

    def send(self, number: int) -> None:
        """Post a webhook; raises when it is not answered 204."""
        body = _webhook(number)
        signature = hmac.new(_SECRET.encode(), body, hashlib.sha256).hexdigest()
        answer = httpx.post(
            f"http://127.0.0.1:{self.port}/webhooks/acme",
            content=body,
            headers={"x-hub-signature": f"sha256={signature}"},
            trust_env=False,
        )
        if answer.status_code != httpx.codes.NO_CONTENT:
            raise SystemExit(f"a webhook was answered {answer.status_code}")

    def get(self, port: int, path: str) -> None:
        """Ask for a page or a query's answer."""
        url = f"http://127.0.0.1:{port}{path}"
        httpx.get(url, trust_env=False, timeout=60, cookies=self.cookies).raise_for_status()

    def sign_in(self) -> None:
        """Sign in at the page, as a viewer has before looking."""
        url = f"http://127.0.0.1:{self.page_port}"
        answer = httpx.post(
            f"{url}/sign-in", data={"password": _PASSWORD}, headers={"origin": url}, trust_env=False, timeout=60
        )
        self.cookies = dict(answer.cookies)

    def wait_until_written(self) -> None:
        """Wait until the consumers have committed everything, by looking into the log's file."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            with suppress(sqlite3.Error), sqlite3.connect(f"file:{self.folder}/events.db?mode=ro", uri=True) as log:
                if _committed(log, "rollcall.activity"):
                    return
            time.sleep(0.005)
        raise SystemExit("the consumers never wrote everything")


def _committed(log: sqlite3.Connection, topic: str) -> bool:
    [number] = log.execute("SELECT id FROM topics WHERE name = ?", (topic,)).fetchone()
    [last] = log.execute(f'SELECT max("offset") FROM topic_{int(number)}').fetchone()  # noqa: S608 - a number
    found = log.execute("SELECT next FROM positions WHERE topic = ?", (number,)).fetchone()
    return bool(found) and found[0] > (last or 0)


def first(profile: Profile, request: Callable[[int], None], idle_seconds: float) -> set[str]:
    """Record the first request there is; return what runs, and not when idle. Arguments are those of `repeated`."""
    with profile.recorded() as idle:
        time.sleep(idle_seconds)
    with profile.recorded() as files:
        request(0)
    return files - idle


def repeated(profile: Profile, request: Callable[[int], None], idle_seconds: float = 0.0) -> set[str]:
    """Record a request several times, each with another number; return what runs every time, and not when idle.

    Args:
        profile: Records.
        request: Makes the request of a number and waits for its answer.
        idle_seconds: How long to look beforehand at what runs without any request.
    """
    request(0)
    time.sleep(0.3)
    idle: set[str] = set()
    if idle_seconds:
        with profile.recorded() as idle:
            time.sleep(idle_seconds)
    found: list[set[str]] = []
    for number in range(1, _REPEATS + 1):
        time.sleep(0.3)  # what the request before left to do ends meanwhile
        with profile.recorded() as files:
            request(number)
        found.append(files)
    return set.intersection(*found) - idle


def measure(what: str, installation: Installation) -> list[str]:
    """Run the command that does it in this process, drive it from a thread, and return the files that ran."""
    from console.main import app  # first, as importing runs class bodies
    from rollcall.settings import load_settings

    profile, result = Profile(), list[set[str]]()
    if what == "reconcile":
        loaded = load_settings.__code__
        with installation.process("up", port=installation.port), profile.recorded(after=loaded) as files:
            _run(app, installation.arguments("reconcile"))
        return product_files(files)
    command, port = {
        "webhook": ("ingest", installation.port),
        "batch": ("consume", 0),
        "page": ("dashboard", installation.page_port),
        "query": ("engine", installation.sql_port),
    }[what]

    def page(number: int) -> None:
        installation.get(installation.page_port, f"/?days={30 + number}")

    def query(number: int) -> None:
        sql = f"SELECT+{number},count()+FROM+user_days"
        installation.get(installation.sql_port, f"/?query={sql}&user=dashboards&password={_door_token(installation)}")

    def batch(number: int) -> None:
        installation.send(1000 + number)
        installation.wait_until_written()

    requests: dict[str, Callable[[int], None]] = {
        "webhook": installation.send,
        "batch": batch,
        "page": page,
        "query": query,
    }

    def drive() -> None:
        sys.setprofile(None)  # this thread is the client
        try:
            if port:
                _wait_for(port)
            if what == "page":
                installation.sign_in()
            # The consumers beside it look for records all the while; a query takes longer than they wait.
            looked = first(profile, page, idle_seconds=1.0) if what == "page" else set[str]()
            result.append(repeated(profile, requests[what], idle_seconds=1.0 if what == "query" else 0.0))
            result.append(looked)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    driver = threading.Thread(target=drive)
    if what == "batch":
        _migrate(installation)
        with installation.process("ingest", port=installation.port):
            driver.start()
            _run(app, installation.arguments(command))
    else:
        if what in ("page", "query"):  # an engine finds the log there
            with installation.process("up", port=installation.port):
                installation.send(1)  # a page of an empty warehouse shows less
                installation.wait_until_written()
        driver.start()
        with installation.ordered() if command == "engine" else nullcontext():
            _run(app, [command] if command == "engine" else installation.arguments(command))
    driver.join()
    if not result:
        raise SystemExit(f"{what} could not be measured")
    return max(map(product_files, result), key=len)


def main() -> None:
    """Measure each in a process of its own and print the counts beside what is allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[[], *MOST], help="what to measure; everything when left out")
    parser.add_argument("--list", action="store_true", help="print the files' names")
    parser.add_argument("--json", action="store_true", help="print one JSON object of lists of files")
    parser.add_argument("--in-this-process", nargs=2, metavar=("FOLDER", "JIRA"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_this_process:
        folder, jira = options.in_this_process
        installation = Installation(Path(folder), jira if options.what[0] == "reconcile" else "")
        with Path(folder, "files.json").open("w") as result:  # an engine may open it no more once it is confined
            json.dump(measure(options.what[0], installation), result)
        return
    results: dict[str, list[str]] = {}
    with _simulated_site() as jira:
        for what in options.what or MOST:
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, "-m", "tools.hops", what, "--in-this-process", folder, jira]
                done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                if done.returncode:
                    raise SystemExit(f"{what}: {done.stderr.decode(errors='replace')[-2000:]}")
                results[what] = json.loads(Path(folder, "files.json").read_text())
    if options.json:
        print(json.dumps(results, indent=1))
        return
    for what, files in results.items():
        print(f"{what:10} {len(files):3} files, at most {MOST[what]}")
        if options.list:
            print("".join(f"    {file}\n" for file in files), end="")
    if over := [what for what, files in results.items() if len(files) > MOST[what]]:
        raise SystemExit(f"more files than allowed: {', '.join(over)}")


def _run(app: Callable[[list[str]], object], arguments: list[str]) -> None:
    with suppress(SystemExit):
        app(arguments)


def _migrate(installation: Installation) -> None:
    subprocess.run(
        [sys.executable, "-m", "console", *installation.arguments("migrate")], cwd=ROOT, check=True, capture_output=True
    )


def _door_token(installation: Installation) -> str:
    token = installation.folder / "sql_token"
    return token.read_text().strip() if token.exists() else ""


def _webhook(number: int) -> bytes:
    now = datetime.now(UTC)
    moment = now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03}+0000"
    person = {"accountId": "5b10a2844c20165700ede21g", "accountType": "atlassian", "active": True}
    body: dict[str, Any] = {
        "timestamp": int(now.timestamp() * 1000),
        "webhookEvent": "jira:issue_updated",
        "issue_event_type_name": "issue_generic",
        "user": person,
        "issue": {
            "id": str(10_000 + number),
            "key": f"ACME-{number}",
            "fields": {"updated": moment, "created": moment, "creator": person, "project": {"key": "ACME"}},
        },
        "changelog": {
            "id": str(20_000 + number),
            "items": [{"field": "status", "fieldtype": "jira", "fieldId": "status", "from": "1", "to": "2"}],
        },
    }
    return json.dumps(body).encode()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nobody listens on port {port}")


def _wait_until_ready(port: int) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        with suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == httpx.codes.OK:
                return
        time.sleep(0.05)
    raise SystemExit(f"the process on port {port} never gets ready")


@contextmanager
def _simulated_site() -> Iterator[str]:
    port = _free_port()
    now = str(int(time.time() * 1000))
    serving = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "simulator",
            "serve",
            "--port",
            str(port),
            "--people",
            "20",
            "--days",
            "5",
            "--now",
            now,
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        serving.terminate()
        serving.wait()


if __name__ == "__main__":
    main()
