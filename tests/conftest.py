"""What all tests share."""

import signal
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import certifi
import httpx
import hypothesis
import pytest
import structlog
from httpx._config import DEFAULT_TIMEOUT_CONFIG
from stamina import instrumentation
from xdist.scheduler import LoadFileScheduling

from rollcall.warehouse import Warehouse

from .drawing import DEAR_FILES, DRAW_VARIABLE, drawn_by, is_drawn
from .facts import fresh_warehouse
from .kafka.broker import choosing
from .kafka.report import MEASURED
from .rounds import Rounds, soak_seconds
from .warehouse import servers

_FAULTS = pytest.StashKey[int]()

# A deadline would be a wall-clock time asserted, which a busy machine breaks.
hypothesis.settings.register_profile("rollcall", deadline=None)
hypothesis.settings.load_profile("rollcall")


def pytest_configure() -> None:
    """Heed Ctrl-C and a closed terminal: in the background a shell has them ignored, by all that tests start too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_report_header() -> list[str]:
    return [
        f"Kafka broker of the tests: {choosing.what()}",
        f"ClickHouse server of the tests: {servers.what()}",
        f"Tests of {len(DEAR_FILES)} dear files: "
        + (f"A SIXTH OF THEM, drawn by {DRAW_VARIABLE}={by}" if (by := drawn_by()) else "all"),
    ]


@pytest.fixture(scope="session", autouse=True)
def loggers_follow_the_configuration() -> Iterator[None]:
    """No logger keeps the configuration of its first line for ever.

    Production keeps it for speed; here a test that configures logging in this process would take the lines of every
    later test from `structlog.testing.capture_logs`, in an order that only the number of cores decides.
    """
    configure = structlog.configure

    def uncached(**settings: Any) -> None:
        configure(**{**settings, "cache_logger_on_first_use": False})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", uncached)
        yield


@pytest.fixture(scope="session", autouse=True)
def certificates_are_read_once() -> Iterator[None]:
    """httpx reads the system's certificates for every client, which takes longer than most requests of a test."""
    create, made = ssl.create_default_context, dict[str, ssl.SSLContext]()

    def created(*given: Any, cafile: str | None = None, **more: Any) -> ssl.SSLContext:
        if given or more or cafile is None or cafile != certifi.where():
            return create(*given, cafile=cafile, **more)
        if cafile not in made:
            made[cafile] = create(cafile=cafile)
        return made[cafile]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", created)
        yield


@pytest.fixture(scope="session", autouse=True)
def clients_are_patient() -> Iterator[None]:
    """httpx waits 5 s for an answer unless told; the first page of an engine that just began may take more.

    All its defaults are copies of this one object.
    """
    with pytest.MonkeyPatch.context() as patch:
        for phase in ("connect", "read", "write", "pool"):
            patch.setattr(DEFAULT_TIMEOUT_CONFIG, phase, 60.0)
        assert httpx.Client().timeout.read == 60.0
        yield


def let_midnight_pass(seconds: float) -> None:
    """Wait where a day ends within `seconds`, in a zone of the tests' sites."""
    for zone in ("UTC", "Europe/Berlin"):
        now = datetime.now(ZoneInfo(zone))
        left = 86_400 - (now.hour * 3600 + now.minute * 60 + now.second)
        if left <= seconds:
            time.sleep(left + 1)


@pytest.fixture(scope="module", autouse=True)
def what_a_module_fills_is_of_one_day() -> None:
    """Many tests count days from today, some in a warehouse that their module fills once."""
    let_midnight_pass(90)


@pytest.fixture(autouse=True)
def a_test_is_of_one_day() -> None:
    let_midnight_pass(20)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def warehouse(tmp_path: Path) -> AsyncIterator[Warehouse]:
    async with fresh_warehouse(tmp_path) as opened:
        yield opened


@pytest.fixture
def own_words_on_retries() -> Iterator[None]:
    """stamina logs no retry, as `configure_logging` leaves it."""
    instrumentation.set_on_retry_hooks([])
    yield
    instrumentation.set_on_retry_hooks(None)


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Rounds:
    """How often a test marked `fault` repeats it."""
    return Rounds(soak_seconds() / request.config.stash[_FAULTS])


BROKERS_FOLDER = "tests/kafka/"
"""Its files share brokers, so one process runs them all, and first: it takes as long as any."""


class FilesWithBrokersTogether(LoadFileScheduling):
    """`--dist loadfile`, but the files that share brokers are for one process: every other would start its own."""

    def _split_scope(self, nodeid: str) -> str:
        return BROKERS_FOLDER if nodeid.startswith(BROKERS_FOLDER) else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """Schedule by file as `make test` does; any other `--dist` stays xdist's own."""
    return FilesWithBrokersTogether(config, log) if config.getoption("dist") == "loadfile" else None


LONG_FILES = ("endtoend/test_stream.py", "endtoend/test_kill.py", "web/test_people.py", "warehouse/test_rebuild.py")
"""They take a minute or more, or stand at the end of the alphabet and take half of one: begun last, one process would
work on them while the others have nothing left to do."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    by = drawn_by()
    left = {item for item in items if not is_drawn("/".join(item.path.parts[-2:]), item.nodeid, by)}
    if left:
        config.hook.pytest_deselected(items=[item for item in items if item in left])
        items[:] = [item for item in items if item not in left]
    items.sort(
        key=lambda item: (
            not item.nodeid.startswith(BROKERS_FOLDER),
            "/".join(item.path.parts[-2:]) not in LONG_FILES,
        )
    )
    for item in items:
        if soak_seconds():
            item.add_marker(pytest.mark.timeout(0), append=False)
        elif item.path.parent.name == "kafka":
            # uvloop keeps the other method's signal from a test that waits for ever.
            item.add_marker(pytest.mark.timeout(method="thread"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Count the faults that share the minutes of a soak."""
    session.config.stash[_FAULTS] = sum(1 for item in session.items if item.get_closest_marker("fault"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests measured, whichever worker they ran in."""
    reports = [report for some in terminalreporter.stats.values() for report in some]
    lines = [
        str(value)
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == MEASURED
    ]
    if lines:
        terminalreporter.section("Measured")
        for line in lines:
            terminalreporter.write_line(line)
