"""A command as a process: its settings, event loop, exit code, signals, and the tasks that run side by side.

SIGTERM, SIGINT and SIGHUP begin the stop, and what is under way gets to finish.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop

from rollcall.errors import RollcallError, SettingsError
from rollcall.logs import configure_logging, kind_and_place, logger, printable
from rollcall.runtime import cancel_requested
from rollcall.settings import CONFIG_VARIABLE, Settings, load_settings
from rollcall.warehouse import calls_left

log = logger(__name__)

DONE, FAILED, WRONG_USAGE, INCOMPLETE, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes: done; failed; wrong usage or settings; done but something is missing (it was printed); Ctrl-C."""

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar=CONFIG_VARIABLE,
        show_envvar=True,
        metavar="FILE",
        help="Settings file; rollcall.toml unless named.",
    ),
]


SiteOption = Annotated[str | None, typer.Option("--site", help="Only this site of the settings.")]


def run_command(config: Path | None, body: Callable[[Settings], Awaitable[int]]) -> None:
    """Load the settings, run a command's body and leave with its exit code.

    Args:
        config: The settings file, or None for the default one.
        body: The command; returns an exit code.
    """
    code = exit_code(config, body)
    if calls_left():  # Python would wait for their threads, which wait for a server that does not answer
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise typer.Exit(code)


def exit_code(config: Path | None, body: Callable[[Settings], Awaitable[int]]) -> int:
    """Run a command's body and return its exit code; errors that Rollcall raises on purpose are printed."""

    async def main(settings: Settings) -> int:
        return await body(settings)

    try:
        settings = load_settings(config)
        configure_logging(settings.log_level, settings.log_format)
        return uvloop.run(main(settings))
    except SettingsError as error:
        print_error(str(error))
        return WRONG_USAGE
    except RollcallError as error:
        print_error(str(error))
        return FAILED
    except (KeyboardInterrupt, asyncio.CancelledError):
        print_error("interrupted")
        return INTERRUPTED


def print_error(text: str) -> None:
    """Print an error for a person to stderr."""
    lines = "\n".join(map(printable, text.split("\n")))
    print(f"rollcall: {lines}", file=sys.stderr)


def require_sites(settings: Settings) -> None:
    """Raise SettingsError unless at least one Jira site is in the settings."""
    if not settings.sites:
        raise SettingsError(
            "no Jira site is in the settings. Put one into rollcall.toml:\n\n"
            '    [sites.acme]\n    url = "https://acme.atlassian.net"\n'
            '    webhook_secrets = ["the secret entered at the webhook in Jira"]\n\n'
            "README.md shows the whole way."
        )


def require_receiving(settings: Settings) -> None:
    """Raise SettingsError unless this process may take the webhooks of every site."""
    require_sites(settings)
    for name, site in settings.sites.items():
        if site.signed_elsewhere:
            raise SettingsError(
                f"sites.{name} has signed_elsewhere = true, so that its webhooks are for another process: set "
                "webhook_secrets_file instead where webhooks are taken"
            )


def require_tokens(settings: Settings) -> None:
    """Raise SettingsError unless every API token that the settings name can be read."""
    for name, site in settings.sites.items():
        site.credentials(name)


def site_names(settings: Settings, site: str | None) -> list[str]:
    """Return the sites a command is about: the one named, or all.

    Raises:
        SettingsError: There is no such site.
    """
    require_sites(settings)
    if site is not None and site not in settings.sites:
        raise SettingsError(f"--site {site}: no such site; the settings have {', '.join(settings.sites)}")
    return [site] if site else list(settings.sites)


_AGAIN_SECONDS = 30.0


@asynccontextmanager
async def in_background(**endless: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run beside the block what never ends; cancel it when the block ends.

    What ends all the same is logged at once and begun again after a pause. Nothing of this kind is worth the
    webhooks that the end of the process would cost.

    Args:
        endless: Begins the work, by the name that the log has for it.
    """
    tasks = [asyncio.create_task(_restarted(name, begin)) for name, begin in endless.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def watched(name: str, part: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """Begin work whose end is the end of the process; an end that nobody foresaw is logged at once.

    Whoever waits for the task gets its error only once everything else has stopped.
    """
    task = asyncio.create_task(part)
    task.add_done_callback(lambda ended: _log_end(name, ended))
    return task


async def run_until_first(stop: asyncio.Event, *parts: Coroutine[Any, Any, None]) -> None:
    """Run parts until the first of them ends; then set `stop` and wait for the others.

    Raises:
        Exception: What the first part that failed ended with.
    """
    tasks = [watched(getattr(part, "__name__", "a part"), part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        await asyncio.wait(tasks)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for result in ended:
        if isinstance(result, Exception):
            raise result


async def _restarted(name: str, begin: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        cause = "it returned"
        try:
            await begin()
        except asyncio.CancelledError as error:
            if cancel_requested():
                raise
            cause = kind_and_place(error)
        except Exception as error:  # whatever it was, nobody else would see it
            cause = kind_and_place(error)
        log.error("ended unexpectedly, begins again", what=name, cause=cause, seconds=_AGAIN_SECONDS)
        await asyncio.sleep(_AGAIN_SECONDS)


def _log_end(name: str, ended: "asyncio.Task[None]") -> None:
    error = None if ended.cancelled() else ended.exception()
    if error and not isinstance(error, RollcallError):
        log.error("ended unexpectedly, the process stops", what=name, cause=kind_and_place(error))


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM, SIGINT and SIGHUP set. Must be called inside the running loop.

    SIGHUP is a terminal that was closed. Where it is ignored already (`nohup`), it stays so.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, stop.set)
    return stop


async def first_done(stop: asyncio.Event, *tasks: "asyncio.Task[None]") -> None:
    """Wait until one of the tasks ends or `stop` is set, then see that `stop` is set."""
    waiting = asyncio.ensure_future(stop.wait())
    await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    stop.set()


async def finish(task: "asyncio.Task[None]", seconds: float, what: str) -> None:
    """Wait for a task that is stopping; after some seconds cancel it.

    Raises:
        Exception: Whatever the task ended with.
    """
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        log.warning("cut short at the stop; it goes on after the next start", what=what)
        task.cancel()
    with suppress(asyncio.CancelledError):
        await task
