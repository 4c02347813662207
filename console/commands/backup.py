"""``rollcall backup FOLDER`` and ``rollcall restore FOLDER``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal

from console.backup.copier import back_up_to, embedded_files
from console.backup.progress import shown_steps
from console.process import DONE, Config, print_error, run_command
from rollcall.settings import Settings

Folder = Annotated[Path, typer.Argument(help="The folder of the backup.", metavar="FOLDER")]


def backup_command(folder: Folder, config: Config = None) -> None:
    """Write event log, dead letters, embedded warehouse and reconcile's marks into a new folder. `up` may be running.

    The folder is there once the backup is whole, and not before. It holds personal data; settings, tokens and
    passwords are not in it. Kafka and ClickHouse servers have backups of their own.
    """

    async def body(settings: Settings) -> int:
        async with shown_steps() as steps:
            made = await back_up_to(folder.absolute(), settings, steps)
        records = sum(topic.records for topic in made.topics.values())
        print(f"backed up {', '.join(made.parts)} to {folder}: {decimal(made.bytes)}, {records} records of the log")
        for where in embedded_files(settings).elsewhere:
            print_error(f"not in it: {where}")
        print_error("settings, tokens and passwords are not in it: keep them elsewhere. It holds personal data")
        return DONE

    run_command(config, body)
