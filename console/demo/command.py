"""``rollcall demo``."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from console.command import DONE, FAILED, WRONG_USAGE, complain
from console.demo.addresses import try_addresses
from console.demo.company import Company, running_company
from console.demo.progress import history_progress
from console.demo.saying import say
from console.demo.settings import NAME, reserved, write_settings
from console.stopping import finish, first_to_end, stop_on_signals
from console.up import run_everything
from rollcall.errors import RollcallError, SettingsError
from rollcall.logs import configure_logging
from rollcall.settings import Settings, load_settings
from rollcall.warehouse.connecting import require_embedded_engine

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
    folder: Annotated[
        Path | None, typer.Option(help="Keep everything in this folder; else in a scratch folder, removed at the end.")
    ] = None,
) -> None:
    """Show the whole product on a simulated company: 30 days of history, then live webhooks. Ctrl-C ends it."""
    try:
        require_embedded_engine()
        try_addresses(listen, sql_listen)
        with _scratch(folder) as place, reserved(config):
            uvloop.run(_demo(place, config, people, days, live_per_minute, listen, sql_listen))
    except SettingsError as error:
        complain(str(error))
        raise typer.Exit(WRONG_USAGE) from None
    except RollcallError as error:
        complain(str(error))
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
    place: Path, config: Path | None, people: int, days: int, live_per_minute: float, listen: str, sql_listen: str
) -> None:
    configure_logging("warning", "auto")
    stop = stop_on_signals()
    async with running_company(place, people, days, live_per_minute) as company:
        files = [place / NAME, *([config] if config else [])]
        write_settings(files, place, company, listen, sql_listen)
        settings = load_settings(files[0])
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(run_everything(settings, stop, port.set_result))
        filling = asyncio.create_task(_fill(company, settings, port, files[-1], people, days))
        filling.add_done_callback(lambda task: stop.set() if not task.cancelled() and task.exception() else None)
        await first_to_end(stop, running)
        say("stopping")
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)
        await finish(running, _STOP_SECONDS, "rollcall")
        if not filling.cancelled():
            filling.result()  # raises what ended it


async def _fill(
    company: Company, settings: Settings, port: "asyncio.Future[int]", config: Path, people: int, days: int
) -> None:
    host = settings.listen.rpartition(":")[0]
    # Shielded, for it is still set when a stop comes before the start is over.
    page = f"http://{host}:{await asyncio.shield(port)}"
    webhook_url = f"{page}/webhooks/acme"
    say(f"a simulated company of {people} people at {company.address}")
    say(f"the page is {page}/")
    await company.register_webhook(webhook_url)
    async with history_progress():
        await company.send_history(webhook_url)
    say(f"{days} days of history are in, live webhooks go on; Ctrl-C ends the demo")
    say(f"try    rollcall report users --config {config}")
    await asyncio.Event().wait()
