"""The front's side of its engine: starts it, watches it, starts it again when it ends, and asks it.

Pauses between two starts grow while it does not stay; what the log holds meanwhile is written later.
"""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
from clickhouse_connect.driver import Client
from prometheus_client import generate_latest

import console
from console.control import METRICS_PATH, STATE_PATH, request_rebuild
from console.engine.engine_main import STOP_SECONDS
from console.engine.order import EngineState, Order, Word, engine_settings
from console.sqldoor.profile import DoorLimits
from reconcile.progress import Notice
from rollcall.errors import RollcallError, SettingsError, WarehouseUnavailableError
from rollcall.logs import logger
from rollcall.metrics import ENGINE_ENDS, ENGINE_UP, FRONT_METRICS, SQL_OVERDUE
from rollcall.runtime import door_client
from rollcall.settings import Settings
from rollcall.warehouse import Row, Warehouse
from rollcall.warehouse.engines import Holding

T = TypeVar("T")

log = logger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_STAYED_SECONDS = 30.0
"""An engine that answered for so long is no reason to wait for longer when it ends."""

_ASK_SECONDS = 4.0
_NOTICE = timedelta(hours=1)
"""How long the page tells of the last end."""

_OUTLIVED_SECONDS = 300.0
"""How long a query of the daily run waits for the engine."""

_OVERDUE_SECONDS = 2.0
"""How long a query may stay past its deadline once that was told; then the engine is ended, and begun again."""

_OVERDUE = "overdue query"
"""The reason of an end that this process brought about."""

_LIMITS = DoorLimits()
"""What queries through the doors of the engine may take."""

_ITS_END_SECONDS = 1.0
"""After so long the end of an engine that hung up has been noticed."""

_VARIABLES = ("COVERAGE_", "LC_", "PYTHON", "SSL_CERT_")
_NAMES = frozenset({"HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ", "TZDIR"})
"""Variables that the engine gets; any other could hold a secret."""


def _environment() -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if name in _NAMES or name.startswith(_VARIABLES)}
    checkout = str(Path(console.__file__).resolve().parents[1])
    if sys.path and sys.path[0] and not sys.flags.safe_path and Path(sys.path[0]).resolve() == Path(checkout):
        # `python -m console` in a checkout: -P would miss what this process was loaded from.
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, (checkout, kept.get("PYTHONPATH"))))
    return kept


class _Life:
    """One engine process, from its start to its end. Its words are taken on the event loop."""

    def __init__(self, order: Order, changed: Callable[[], None]) -> None:
        self.state_url, self.sql_url, self.up_since = "", "", 0.0
        self.error: RollcallError | None = None
        self.passing = False
        self.overdue = 0
        self._ends_overdue: asyncio.TimerHandle | None = None
        self._ended_for = ""
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = self._loop.create_future()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "console", "engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,  # Ctrl-C reaches the front alone, which then stops both in order
        )
        threading.Thread(target=self._listen, args=(order,), name="engine", daemon=True).start()

    def _listen(self, order: Order) -> None:
        assert self.process.stdin  # noqa: S101 - pipes were asked for
        assert self.process.stdout  # noqa: S101 - as above
        with suppress(OSError):  # it has ended already
            self.process.stdin.write(msgspec.json.encode(order) + b"\n")
            self.process.stdin.flush()
        for line in self.process.stdout:
            self._on_loop(self._take, line)
        code = self.process.wait()
        self.process.stdout.close()
        self.ask_to_end()  # the pipe is nobody's any more
        self._on_loop(self._end, code)

    def _on_loop(self, call: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(call, *arguments)

    def _take(self, line: bytes) -> None:
        try:
            word = msgspec.json.decode(line, type=Word)
        except msgspec.DecodeError:
            log.warning("the engine printed what is no word of ours", bytes=len(line))
            return
        self.state_url = word.state_url or self.state_url
        self.sql_url = word.sql_url or self.sql_url
        if word.up:
            self.up_since = time.monotonic()
        self.passing = word.passing
        if word.overdue is not None:
            self._note_overdue(word.overdue)
        if word.trouble:
            self.error = (SettingsError if word.settings_trouble else RollcallError)(word.trouble)
        self._changed()

    def _note_overdue(self, queries: int) -> None:
        self.overdue = queries
        SQL_OVERDUE.set(queries)
        if queries and not self._ends_overdue:
            self._ends_overdue = self._loop.call_later(_OVERDUE_SECONDS, self._end_overdue)
        elif not queries and self._ends_overdue:
            self._ends_overdue.cancel()
            self._ends_overdue = None

    def _end_overdue(self) -> None:
        self._ended_for = _OVERDUE
        log.error("a query does not stop, so the engine is ended and begun again", queries=self.overdue)
        self.process.kill()

    def _end(self, code: int) -> None:
        self._note_overdue(0)
        if not self.ended.done():
            self.ended.set_result(code)

    @property
    def reason(self) -> str:
        """Why it ended: a signal's name, or exit and its code; or a query that had to be ended."""
        if self._ended_for:
            return self._ended_for
        code = self.process.returncode
        try:
            return signal.Signals(-code).name if code < 0 else f"exit {code}"
        except ValueError:
            return f"signal {-code}"

    def ask_to_end(self) -> None:
        """Close the pipe: the engine ends in order."""
        if self.process.stdin:
            with suppress(OSError):  # it has ended already
                self.process.stdin.close()


class EngineProcess:
    """The engine of an `up`, whichever process it is at the moment.

    Attributes:
        prepared: Set once it has been up for the first time.
        warehouse: Queries it; fails at once while it is away.
        patient_warehouse: Queries it, and waits while it is away: for work that goes on for long.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._token = secrets.token_urlsafe(32)
        self._life: _Life | None = None
        self._away = "the warehouse is being prepared, which takes a few seconds"
        self._up = asyncio.Event()
        self._last_end: tuple[datetime, str] | None = None
        self._ends = 0
        self._asking = httpx.AsyncClient(
            timeout=_ASK_SECONDS, trust_env=False, headers={"authorization": f"Bearer {self._token}"}
        )
        self.prepared = asyncio.Event()
        self.warehouse = Warehouse(self._open_client, which=self._living)
        self.patient_warehouse = _PatientWarehouse(self, self._open_client, which=self._living)

    def _living(self) -> _Life | None:
        """Return the process that is there; None while none has said where to ask it."""
        life = self._life
        return life if life and life.state_url and not life.ended.done() else None

    async def run(self, stop: asyncio.Event) -> None:
        """Keep it running until `stop` is set, then end it in order.

        Raises:
            RollcallError: It could not be brought up the first time, or ended with an error at the stop.
        """
        pause = _FIRST_PAUSE
        try:
            while True:
                life = self._begin()
                await _until(stop, life.ended)
                if stop.is_set():
                    await self._end(life)
                    return
                if life.error and not life.passing and not self.prepared.is_set():
                    raise life.error
                stayed = life.up_since and time.monotonic() - life.up_since >= _STAYED_SECONDS
                pause = _FIRST_PAUSE if stayed else pause
                # One that was ended on purpose is none that does not stay.
                waits = 0.0 if life.reason == _OVERDUE else pause
                self._note_end(life, waits)
                await _until(stop, seconds=waits)
                if stop.is_set():
                    return
                pause = min(2 * pause, _LONGEST_PAUSE) if waits else pause
        finally:
            self._clear()
            if self._life and self._life.process.poll() is None:
                self._life.process.kill()

    async def check(self) -> None:
        """Raise RollcallError unless it is up and every consumer runs."""
        if not (life := self._living()):
            raise WarehouseUnavailableError(self._away)
        state = msgspec.json.decode(await self._ask(life.state_url + STATE_PATH), type=EngineState)
        if state.trouble:
            raise RollcallError(state.trouble)

    async def metrics(self) -> bytes:
        """Return the metrics of both processes; those of consumers are absent while the engine is away."""
        own = generate_latest(FRONT_METRICS)
        if not (life := self._living()):
            return own
        try:
            return own + await self._ask(life.state_url + METRICS_PATH)
        except RollcallError:
            return own

    async def rebuild(self, site: str, days: Sequence[date]) -> list[str]:
        """Rebuild days of a site. Raises WarehouseUnavailableError."""

        async def request() -> list[str]:
            life = self._living()
            url = life.sql_url if life else ""
            holding = Holding(pid=os.getpid(), command="rollcall up", sql_url=url, control_token=self._token)
            return await request_rebuild(holding, site, days)

        return await self.outlived(request)

    async def outlived(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call what asks the engine and may be repeated, again when the engine ended meanwhile."""
        while True:
            try:
                async with asyncio.timeout(_OUTLIVED_SECONDS):
                    await self._up.wait()
            except TimeoutError:
                raise WarehouseUnavailableError(self._away) from None
            life = self._life
            try:
                return await call()
            except WarehouseUnavailableError:
                await asyncio.sleep(_ITS_END_SECONDS)
                if self._life is life and self._up.is_set():
                    raise

    def queries(self) -> str:
        """Return how the queries go, for ``/readyz``."""
        life = self._living()
        if not life or not life.overdue:
            return "ok"
        return f"{life.overdue} past the deadline; if it stays so, the engine is started again in some seconds"

    def notices(self) -> Sequence[Notice]:
        """Return what the page is to tell of ends, a while after the engine is back too."""
        if self._last_end is None or datetime.now(UTC) - self._last_end[0] > _NOTICE:
            return ()
        at, reason = self._last_end
        often = "" if self._ends == 1 else f", the last of {self._ends} times"
        return (
            Notice(f"The engine ended unexpectedly at {at:%H:%M:%S} UTC ({reason}{often}); no webhook is lost by that"),
        )

    async def close(self) -> None:
        """Close what it was asked with."""
        await self.warehouse.close()
        await self.patient_warehouse.close()
        await self._asking.aclose()

    def _begin(self) -> _Life:
        order = Order(front=os.getpid(), token=self._token, settings=engine_settings(self._settings), limits=_LIMITS)
        self._life = _Life(order, self._look)
        return self._life

    def _look(self) -> None:
        if self._life and self._life.up_since and not self._life.ended.done() and not self._up.is_set():
            self._up.set()
            self.prepared.set()
            ENGINE_UP.set(1)
            if self._ends:
                log.info("the engine is back", pid=self._life.process.pid)

    def _clear(self) -> None:
        self._up.clear()
        ENGINE_UP.set(0)

    def _note_end(self, life: _Life, pause: float) -> None:
        self._clear()
        self._ends += 1
        self._last_end = (datetime.now(UTC), life.reason)
        ENGINE_ENDS.labels(life.reason).inc()
        cause = f": {life.error}" if life.error else ""
        self._away = f"the engine ended unexpectedly ({life.reason}{cause}) and begins again"
        log.error(
            "the engine ended unexpectedly, begins again",
            reason=life.reason,
            seconds=pause,
            cause=str(life.error or ""),
        )

    async def _end(self, life: _Life) -> None:
        self._away = "the engine is being stopped"
        life.ask_to_end()
        done, _ = await asyncio.wait({life.ended}, timeout=STOP_SECONDS)
        if not done:
            log.warning("cut short at the stop; it goes on after the next start", what="engine")
            life.process.kill()
            await life.ended
        if life.error:
            raise life.error
        if life.process.returncode:
            log.error("the engine did not end well; what it left is read again at the next start", reason=life.reason)

    def _open_client(self) -> Client:
        life = self._living()
        if life is None or not life.sql_url:
            raise WarehouseUnavailableError(self._away)
        return door_client(life.sql_url, self._token)

    async def _ask(self, url: str) -> bytes:
        try:
            answer = await self._asking.get(url)
        except httpx.HTTPError as error:
            raise WarehouseUnavailableError(f"the engine does not answer: {type(error).__name__}") from error
        if answer.status_code != httpx.codes.OK:
            raise WarehouseUnavailableError(f"the engine does not answer: status {answer.status_code}")
        return answer.content


class _PatientWarehouse(Warehouse):
    """Waits for the engine, and asks again what it did not live to answer."""

    def __init__(self, engine: EngineProcess, open_client: Callable[[], Client], which: Callable[[], object]) -> None:
        super().__init__(open_client, which=which)
        self._engine = engine

    async def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        ask = super().query
        return await self._engine.outlived(lambda: ask(sql, parameters))


async def _until(stop: asyncio.Event, ended: "asyncio.Future[int] | None" = None, seconds: float | None = None) -> None:
    """Wait for the stop, an end, or some seconds, whichever is first."""
    stopping = asyncio.ensure_future(stop.wait())
    waiting: set[asyncio.Future[Any]] = {stopping} if ended is None else {stopping, ended}
    await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
