"""``rollcall forget``: take a person out of everything that Rollcall keeps, keep them out, and prove it."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from console.control import request_erasure, request_search
from console.process import DONE, FAILED, INCOMPLETE, Config, print_error, run_command
from console.traces import Trace, files_in, named_on_log, own_files
from reconcile.state.run_state import AlreadyRunningError, RunLock, forget_run, state_folder
from rollcall.dead_letters import record_of
from rollcall.errors import RollcallError, SettingsError
from rollcall.eventlog.sqlite import SqliteLog
from rollcall.forgotten_accounts import ForgottenAccounts, forgotten_file, forgotten_in, read_forgotten
from rollcall.jira.values import LONGEST_ACCOUNT_ID
from rollcall.records import DeadLetter, decode_dead_letter
from rollcall.runtime import Runtime, opened, opened_warehouse
from rollcall.settings import Settings
from rollcall.warehouse import require_current
from rollcall.warehouse.engines import Embedded, Holding, parse_warehouse_url, read_holding
from rollcall.warehouse.erasure import erase_forgotten, remember_forgotten, search

_ACCOUNT_ID = re.compile(rf"(?=.*[0-9])[0-9A-Za-z][0-9A-Za-z:_-]{{3,{LONGEST_ACCOUNT_ID - 1}}}")
_COMMAND = "rollcall forget"
_LOOKS = 10
_PAUSE = 1.0
"""What was on its way when somebody was forgotten arrives within this; then it is looked once more."""


def forget(
    account_id: Annotated[str, typer.Argument(metavar="ACCOUNT_ID", help="Jira's id of the account, not a name.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Only say where the id still stands; change nothing.")
    ] = False,
    also: Annotated[
        list[Path] | None,
        typer.Option(help="A file or folder to search too, such as a log of Rollcall's, or an export."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = None,
) -> None:
    """Take an account out of everything that Rollcall keeps, and keep it out for good. `up` may be running.

    At its end it searches all files and tables for the id, as --verify does alone. It can be run again at any time, and
    goes on where it was interrupted.
    """
    if not _ACCOUNT_ID.fullmatch(account_id):
        raise typer.BadParameter(
            "is no account id: letters, colons, dashes and some digit, at least 4 (`rollcall report users` shows it)",
            param_hint="ACCOUNT_ID",
        )
    if not verify and not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("give --yes where nobody can be asked", param_hint="--yes")
        typer.confirm(f"Forget {account_id}? All it ever did is taken out of every report, for good", abort=True)

    async def body(settings: Settings) -> int:
        if verify:
            async with opened(settings, "rollcall forget") as runtime:
                return _say(await _search(runtime, account_id, config, also or []))
        return await _forget(settings, account_id, config, also or [])

    run_command(config, body)


async def _forget(settings: Settings, account_id: str, config: Path | None, also: list[Path]) -> int:
    if any(account_id in (one.account_id, one.reason) for one in settings.seats.exempt):
        raise SettingsError("seats.exempt names this account: take it out of the settings, restart, and try again")
    try:
        async with opened(settings, "rollcall forget") as runtime:
            await _Erasure(runtime, account_id).run()
            return _say(await _search(runtime, account_id, config, also), forgotten=True)
    except asyncio.CancelledError:
        print_error("not all is forgotten yet; the same command again goes on from here")
        raise


class _Erasure:
    """Takes an account out, in an order in which nothing comes back: first it is kept out, then what is there goes."""

    def __init__(self, runtime: Runtime, account_id: str) -> None:
        self._runtime = runtime
        self._settings = runtime.settings
        self._account_id = account_id
        self._trace = Trace(account_id)
        self._file = forgotten_file(runtime.settings)

    async def run(self) -> None:
        """Do all of it. Raises RollcallError: not all is done; run it again."""
        entry = (read_forgotten(self._file) or await self._in_warehouse()).entry_for(self._account_id)
        if self._file:
            try:
                self._file.add([entry])
            except OSError as error:
                raise RollcallError(f"cannot write {self._file.path} ({error.strerror}); free the disk") from error
        rows, records = 0, 0
        async with _erasing(self._settings) as erase:
            for _ in range(_LOOKS):
                some = await self._from_log()
                more = await erase(entry)
                rows, records = rows + more, records + some
                if not (some or more):
                    break
                await asyncio.sleep(_PAUSE)
        await self._scour()
        self._from_state()
        print(f"{rows} rows of the warehouse and {records} records of the log are gone")

    async def _in_warehouse(self) -> ForgottenAccounts:
        """Return whom the warehouse keeps out, for its salt; nobody where another process has it."""
        found = ForgottenAccounts()
        if not _holding(self._settings) and _is_there(self._settings):
            async with opened_warehouse(self._settings, _COMMAND) as warehouse:
                await require_current(warehouse)
                found = await forgotten_in(warehouse)
        return found

    async def _from_log(self) -> int:
        """Dismiss dead letters that name it, whoever else they name, and take its records off a SQLite log."""
        log, topics = self._runtime.log, self._runtime.topics
        open_letters: dict[str, DeadLetter] = {}
        async for entry in log.scan(topics.deadletter.name):
            with suppress(msgspec.DecodeError):
                letter = decode_dead_letter(entry.value)
                if letter.settled == "dismissed":
                    open_letters.pop(letter.letter_id, None)
                elif self._trace.in_record(entry.value):
                    empty = msgspec.structs.replace(letter, settled="dismissed", payload=b"", detail="", headers={})
                    open_letters[letter.letter_id] = empty
        if open_letters:
            await log.append(topics.deadletter.name, list(map(record_of, open_letters.values())))
        went = 0
        if isinstance(log, SqliteLog):
            for topic in topics.all():
                went += await log.erase(topic.name, self._trace.in_record)
        return went

    async def _scour(self) -> None:
        """See that the bytes of what was taken off the log are off its files too."""
        log, file = self._runtime.log, self._file
        if not isinstance(log, SqliteLog) or file is None:
            return
        database = file.path.with_name(file.path.name.removesuffix("-forgotten"))
        await log.scour()
        # Logs of before were written by versions that left the bytes of what retention removed.
        if any(self._trace.in_file(path) for path in database.parent.glob(f"{database.name}*")):
            await log.scour(whole=True)

    def _from_state(self) -> None:
        """Remove what reconcile remembers of a site where that names the account: the site is read once more."""
        folder = state_folder(self._settings)
        if not folder or not folder.is_dir():
            return
        for path in [path for path in files_in([folder]) if self._trace.in_file(path)]:
            site = path.name.partition(".")[0]
            try:
                with RunLock(folder / f"{site}.lock", site):
                    forget_run(folder, site)
                    path.unlink(missing_ok=True)
            except AlreadyRunningError as error:
                print_error(f"{error}; then run this again")


@asynccontextmanager
async def _erasing(settings: Settings) -> AsyncIterator[Callable[[tuple[str, str]], Awaitable[int]]]:
    """Yield what takes an account out of the warehouse, by whoever has it, and returns how many rows went."""

    async def request(entry: tuple[str, str]) -> int:
        # Looked up anew: the engine of an `up` may have been started again meanwhile.
        holding = _holding(settings)
        return sum((await request_erasure(holding, [entry])).values()) if holding else 0

    if _holding(settings) or not _is_there(settings):
        yield request
        return
    async with opened_warehouse(settings, _COMMAND) as warehouse:
        await require_current(warehouse)

        async def erase(entry: tuple[str, str]) -> int:
            await remember_forgotten(warehouse, {entry} - (await forgotten_in(warehouse)).asked.entries)
            return sum((await erase_forgotten(warehouse, settings.sites, settings.seats)).values())

        yield erase


def _holding(settings: Settings) -> Holding | None:
    address = parse_warehouse_url(settings.warehouse_url)
    holding = read_holding(address) if isinstance(address, Embedded) else None
    return holding if holding and not holding.brief else None


def _is_there(settings: Settings) -> bool:
    """Return whether there is a warehouse: an embedded one is made by its first use."""
    address = parse_warehouse_url(settings.warehouse_url)
    return not isinstance(address, Embedded) or address.path.is_dir()


@dataclass(slots=True)
class _Found:
    """What a search came to.

    Attributes:
        places: Where the id stands, a line each.
        on_kafka: What of it only Kafka's retention takes away.
        unread: What could not be searched.
    """

    places: list[str] = field(default_factory=list)
    on_kafka: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


async def _search(runtime: Runtime, account_id: str, config: Path | None, also: list[Path]) -> _Found:
    settings, trace, found = runtime.settings, Trace(account_id), _Found()
    until = {
        topic.name: datetime.now(UTC) + timedelta(milliseconds=topic.kept_for_ms) for topic in runtime.topics.all()
    }
    on_kafka = not isinstance(runtime.log, SqliteLog)
    for topic, records in (await named_on_log(runtime, trace)).items():
        if on_kafka:
            found.on_kafka.append(
                f"topic {topic}: {records} records, which nothing takes out singly; by the settings' retention they "
                f"are older than Kafka keeps from {until[topic]:%Y-%m-%d} on, and go with their segment"
            )
        else:
            found.places.append(f"topic {topic}: {records} records")
    await _tried(found, "the warehouse", lambda: _search_warehouse(settings, account_id, found))
    missing = [str(place) for place in also if not place.exists()]
    found.unread += [f"{place}: there is no such file" for place in missing]
    for path in [*await asyncio.to_thread(own_files, settings, config), *sorted(set(files_in(also)))]:
        try:
            if await asyncio.to_thread(trace.in_file, path):
                found.places.append(str(path))
        except OSError as error:
            found.unread.append(f"{path}: {error.strerror}")
    return found


async def _search_warehouse(settings: Settings, account_id: str, found: _Found) -> None:
    if holding := _holding(settings):
        columns = await request_search(holding, account_id)
    elif _is_there(settings):
        async with opened_warehouse(settings, _COMMAND) as warehouse:
            columns = await search(warehouse, account_id)
    else:
        return
    found.places += [f"column {column}: {rows} rows" for column, rows in columns.items()]


async def _tried(found: _Found, what: str, call: Callable[[], Awaitable[None]]) -> None:
    try:
        await call()
    except SettingsError:
        raise
    except RollcallError as error:
        found.unread.append(f"{what}: {error}")


def _say(found: _Found, *, forgotten: bool = False) -> int:
    for place in found.places + found.on_kafka:
        print(place)
    for what in found.unread:
        print_error(f"not searched: {what}")
    if not (found.places or found.on_kafka or found.unread):
        print("the id stands nowhere")
        return DONE
    if forgotten:
        print_error(
            "the account is kept out from now on; what is named above is left, and the same command tries again"
        )
        return INCOMPLETE
    return FAILED if found.places or found.on_kafka else INCOMPLETE
