"""``rollcall demo``: its addresses, settings and progress, and the product run on the simulated company.

The settings are in the demo's folder for as long as that is there, and in the file that `--config` names.
"""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from socket import socket
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from console.commands.services import GOOD_ONCE, OpenOption, open_in_browser, page_address
from console.commands.up import run_everything
from console.demo.company import Company, running_company
from console.process import DONE, FAILED, WRONG_USAGE, finish, first_done, print_error, stop_on_signals
from console.web.access import new_sign_in_token
from rollcall.errors import RollcallError, SettingsError
from rollcall.http.guard import listen
from rollcall.logs import configure_logging
from rollcall.metrics import WEBHOOKS
from rollcall.settings import Settings, load_settings
from rollcall.warehouse.engines import require_embedded_engine


def say(text: str) -> None:
    """Print a line, if there is still somebody to read it: a terminal that was closed must not stop the clean-up."""
    with suppress(OSError):
        print(f"rollcall: {text}", file=sys.stderr)


def try_addresses(page: str, sql_door: str) -> None:
    """Raise SettingsError unless both can be listened on, at the same time."""
    with closing(_listener(page, "--listen")), closing(_listener(sql_door, "--sql-listen")):
        pass


def _listener(address: str, option: str) -> socket:
    try:
        return listen(address, option)
    except ValueError as error:
        raise SettingsError(f"{option}: {error}") from None


SETTINGS_FILE = "rollcall.toml"


@contextmanager
def reserved(file: Path | None) -> Iterator[None]:
    """Make a file of our own, to be written by `write_settings`, and remove it at the end; None makes none.

    Raises:
        SettingsError: It is there already, or cannot be made.
    """
    if not file:
        yield
        return
    try:
        file.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        raise SettingsError(f"--config: {file} is there already; the demo writes a file of its own") from None
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise SettingsError(f"--config: cannot write {file} ({reason}); choose another place") from None
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def write_settings(files: list[Path], folder: Path, company: Company, listen: str, sql_listen: str) -> None:
    """Write the settings of a demo that keeps its data in `folder`; nobody else may read the files."""
    for file in files:
        file.touch(mode=0o600)
        file.write_text(
            f"""\
listen = "{listen}"
sql_listen = "{sql_listen}"
log_url = "sqlite://{folder}/events.db"
warehouse_url = "chdb://{folder}/warehouse"

[sites.acme]
url = "{company.address}"
email = "{company.email}"
api_token = "{company.token}"
webhook_secrets_file = "{company.secret_file}"
timezone = "Europe/Berlin"

[organization]
id = "{company.organization}"
api_key = "{company.organization_key}"
url = "{company.address}"

[seats]
idle_days = 14
new_days = 7

[seats.products.jira-software]
currency = "USD"
price = [[100, 9.05], [250, 6.70]]
renews = 2026-01-15

[seats.products.jira-servicedesk]
currency = "USD"
tiers = [[10, 2400], [25, 6000], [50, 11500], [100, 22000]]
renews = 2026-03-01
""",
            encoding="utf-8",
        )


_LINE_SECONDS = 5.0


@asynccontextmanager
async def history_progress() -> AsyncIterator[None]:
    """Show how many webhooks were taken while the block runs."""
    shown = asyncio.create_task(_on_terminal() if sys.stderr.isatty() else _in_lines())
    try:
        yield
    finally:
        shown.cancel()
        await asyncio.gather(shown, return_exceptions=True)
        say(f"{webhooks_taken()} webhooks taken")


def webhooks_taken() -> int:
    """Return how many webhooks this process has answered."""
    return int(
        sum(
            sample.value for family in WEBHOOKS.collect() for sample in family.samples if sample.name.endswith("_total")
        )
    )


async def _on_terminal() -> None:
    with Console(stderr=True).status("filling the history") as status:
        while True:
            status.update(f"filling the history: {webhooks_taken()} webhooks taken")
            await asyncio.sleep(0.2)


async def _in_lines() -> None:
    while True:
        await asyncio.sleep(_LINE_SECONDS)
        say(f"filling the history, {webhooks_taken()} webhooks so far")


_STOP_SECONDS = 60.0


def demo(
    people: Annotated[int, typer.Option(min=5, help="People of the simulated company.")] = 200,
    days: Annotated[int, typer.Option(min=0, help="Days of history.")] = 30,
    live_per_minute: Annotated[float, typer.Option(min=0, help="Acts a minute from now on; 0 for none.")] = 60.0,
    listen: Annotated[str, typer.Option(help="Address and port for webhooks and the page.")] = "127.0.0.1:8080",
    sql_listen: Annotated[str, typer.Option(help="Address and port of the SQL door.")] = "127.0.0.1:8123",
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the demo's settings here while it runs, for other commands."),
    ] = None,
    open_page: OpenOption = False,
    folder: Annotated[
        Path | None, typer.Option(help="Keep everything in this folder; else in a scratch folder, removed at the end.")
    ] = None,
) -> None:
    """Show the whole product on a simulated company: 30 days of history, then live webhooks. Ctrl-C ends it."""
    try:
        require_embedded_engine()
        try_addresses(listen, sql_listen)
        with _scratch(folder) as data_folder, reserved(config):
            uvloop.run(
                _demo(data_folder, config, people, days, live_per_minute, listen, sql_listen, open_page=open_page)
            )
    except SettingsError as error:
        print_error(str(error))
        raise typer.Exit(WRONG_USAGE) from None
    except RollcallError as error:
        print_error(str(error))
        raise typer.Exit(FAILED) from None
    raise typer.Exit(DONE)


@contextmanager
def _scratch(folder: Path | None) -> Iterator[Path]:
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
        return
    scratch = Path(tempfile.mkdtemp(prefix="rollcall-demo-"))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


async def _demo(
    folder: Path,
    config: Path | None,
    people: int,
    days: int,
    live_per_minute: float,
    listen: str,
    sql_listen: str,
    *,
    open_page: bool,
) -> None:
    configure_logging("warning", "auto")
    stop = stop_on_signals()
    async with running_company(folder, people, days, live_per_minute) as company:
        files = [folder / SETTINGS_FILE, *([config] if config else [])]
        write_settings(files, folder, company, listen, sql_listen)
        settings = load_settings(files[0])
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        once = new_sign_in_token(settings, listen)
        running = asyncio.create_task(run_everything(settings, stop, port.set_result, once))
        filling = asyncio.create_task(
            _fill(company, settings, port, files[-1], people, days, once, open_page=open_page)
        )
        filling.add_done_callback(lambda task: stop.set() if not task.cancelled() and task.exception() else None)
        await first_done(stop, running)
        say("stopping")
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)
        await finish(running, _STOP_SECONDS, "rollcall")
        if not filling.cancelled():
            filling.result()  # raises what ended it


async def _fill(
    company: Company,
    settings: Settings,
    port: "asyncio.Future[int]",
    config: Path,
    people: int,
    days: int,
    once: str,
    *,
    open_page: bool,
) -> None:
    host = settings.listen.rpartition(":")[0]
    # Shielded, for it is still set when a stop comes before the start is over.
    taken = await asyncio.shield(port)
    webhook_url = f"http://{host}:{taken}/webhooks/acme"
    page = page_address(settings.listen, taken, once)
    say(f"a simulated company of {people} people at {company.address}")
    say(f"the page is {page}{GOOD_ONCE if once else ''}")
    if open_page:
        open_in_browser(page)
    await company.register_webhook(webhook_url)
    async with history_progress():
        await company.send_history(webhook_url)
    say(f"{days} days of history are in, live webhooks go on; Ctrl-C ends the demo")
    say(f"try    rollcall report users --config {config}")
    await asyncio.Event().wait()
