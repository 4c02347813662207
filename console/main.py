"""The ``rollcall`` command."""

import os
from typing import Annotated

import typer

from console.commands.deadletter import app as deadletter
from console.commands.maintenance import check, migrate_command, rebuild
from console.commands.privacy import forget
from console.commands.query import query
from console.commands.reconciliation import reconcile
from console.commands.report import app as report
from console.commands.seats import robots_command, savings_command, seats_command, thresholds_command
from console.commands.services import consume, dashboard, ingest
from console.commands.transfer import backup_command, export_command, import_command, restore_command
from console.commands.up import engine, up
from console.commands.webhook import app as webhook
from console.demo.demonstration import demo
from rollcall import __version__

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,  # locals hold settings, and settings hold secrets
    help="Who really uses Jira Cloud: receive its webhooks, keep who was active on which day, find seats nobody uses.",
)

app.command()(demo)
app.command()(up)
app.command(hidden=True)(engine)
app.command()(ingest)
app.command()(consume)
app.command()(dashboard)
app.command("migrate")(migrate_command)
app.command()(rebuild)
app.command()(reconcile)
app.command("backup")(backup_command)
app.command("restore")(restore_command)
app.command("export")(export_command)
app.command("import")(import_command)
app.command()(forget)
app.command()(check)
app.command()(query)
report.command("seats")(seats_command)
report.command("savings")(savings_command)
report.command("thresholds")(thresholds_command)
report.command("robots")(robots_command)
app.add_typer(report, name="report")
app.add_typer(deadletter, name="deadletter")
app.add_typer(webhook, name="webhook")


def _print_version(requested: bool) -> None:
    if requested:
        print(f"rollcall {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Options of every command."""
    del version  # its callback has printed it
    os.umask(0o077)  # whatever a command writes may tell of people
