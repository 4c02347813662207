"""``rollcall backup FOLDER`` and ``rollcall restore FOLDER``."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal

from console.backup.copier import back_up_to, embedded_files
from console.backup.restorer import Restored, restore_from
from console.backup.steps import shown_steps
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


def restore_command(
    folder: Folder,
    replace: Annotated[
        bool, typer.Option("--replace", help="Move what is there aside, under a name that ends in .before-restore-….")
    ] = False,
    warehouse_only: Annotated[
        bool, typer.Option("--warehouse-only", help="Leave log and reconcile's marks, which are newer, as they are.")
    ] = False,
    config: Config = None,
) -> None:
    """Restore a backup to where the settings have the embedded files, while nothing uses them.

    Every file of the backup is looked at first: unless it is whole, nothing is touched.
    """

    async def body(settings: Settings) -> int:
        async with shown_steps() as steps:
            done = await restore_from(
                folder.absolute(), settings, steps, replace=replace, warehouse_only=warehouse_only
            )
        made = done.manifest
        print(f"restored {', '.join(done.parts)} from {folder}, which Rollcall {made.made_by} made {made.began_at}")
        for path in done.aside:
            print(f"what was there before is now {path}; remove it once all is well")
        if done.erased:
            print(f"{done.erased} records of the log were of accounts that were forgotten since, and are empty now")
        print(_what_next(done, settings))
        return DONE

    run_command(config, body)


def _what_next(done: Restored, settings: Settings) -> str:
    """Say what happens at the next start, and how what happened since the backup comes back."""
    lines = []
    if done.whole_log:
        lines.append(
            f"next: start `rollcall up`. The consumers read the log again from its beginning, {done.again} records, as "
            "the warehouse is older; once the page shows no lag, `rollcall rebuild` settles days at midnight"
        )
    else:
        beyond = "" if done.again is None else f", {done.again} records"
        lines.append(f"next: start `rollcall up`. The consumers go on where the warehouse is{beyond}")
    began = datetime.fromisoformat(done.manifest.began_at)
    zones = [site.zone() for site in settings.sites.values()]
    days = max(((datetime.now(zone).date() - began.astimezone(zone).date()).days for zone in zones), default=0) + 1
    lines.append(
        f"then: `rollcall reconcile --days {days}` asks Jira for what happened since the backup, as far as its REST "
        "API knows it; webhooks that were answered since are not sent again"
    )
    return "\n".join(lines)
