"""The commands as their users run them: `python -m tests.reconcile.commandline reconcile …`."""

import asyncio
import contextlib
import io
import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread
import typer

from console.commands.maintenance import check
from console.commands.reconciliation import reconcile
from console.commands.report import app as report
from console.commands.up import up
from console.commands.webhook import app as webhook
from simulator.rest.site import EMAIL, TOKEN

from .site import SECRET, keep_the_sites_clock

app = typer.Typer(pretty_exceptions_show_locals=False)
app.command()(check)
app.command()(reconcile)
app.command()(up)
app.add_typer(webhook, name="webhook")
app.add_typer(report, name="report")


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.out)
        return found

    def value(self, part: str, name: str) -> Any:
        return next(row["value"] for row in self.rows if (row["part"], row["name"]) == (part, name))


def write_config(
    url: str, folder: Path, token: str = TOKEN, listen: int = 1, sql_listen: int = 1, idle_days: int = 30
) -> Path:
    path = folder / "rollcall.toml"
    path.write_text(
        f"""
        log_url = "sqlite://{folder}/events.db"
        warehouse_url = "chdb://{folder}/warehouse"
        listen = "127.0.0.1:{listen}"
        sql_listen = "127.0.0.1:{sql_listen}"
        [seats]
        idle_days = {idle_days}
        [reconcile]
        daily_at = ""
        [sites.acme]
        url = "{url}"
        email = "{EMAIL}"
        api_token = "{token}"
        webhook_secrets = ["{SECRET}"]
        timezone = "Europe/Berlin"
        """
    )
    return path


async def start(config: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.reconcile.commandline", *arguments, "--config", str(config),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2],
    )  # fmt: skip


async def process(config: Path, *arguments: str) -> Done:
    """Run a command in a process of its own, beside whatever else holds the files."""
    started = await start(config, *arguments)
    out, err = await started.communicate()
    assert started.returncode is not None
    return Done(started.returncode, out.decode(), err.decode())


async def command(config: Path, *arguments: str) -> Done:
    """Run a command in a thread of this process, which is faster."""
    return await anyio.to_thread.run_sync(_run, [*arguments, "--config", str(config)])


def text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def _run(arguments: list[str]) -> Done:
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    code, root = 0, logging.getLogger()
    handlers, level = root.handlers, root.level
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            root.handlers, root.level = handlers, level
    out.flush()
    err.flush()
    return Done(code, text(out), text(err))


if __name__ == "__main__":
    keep_the_sites_clock()
    app()
