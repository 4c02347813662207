"""``rollcall export|import FOLDER`` for another installation, ``rollcall backup|restore FOLDER`` for this one."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal

from console.backup.copier import back_up_to, embedded_files
from console.backup.restorer import Restored, restore_from
from console.bars import shown_steps, transfer_progress
from console.process import DONE, Config, print_error, run_command
from console.transfer.exporter import export_to
from console.transfer.importer import import_from
from console.transfer.manifest import read_manifest
from rollcall.forgotten_accounts import forgotten_file, forgotten_in, read_forgotten
from rollcall.runtime import opened_for_reading, opened_warehouse
from rollcall.settings import Settings
from rollcall.warehouse.erasure import erase_forgotten, remember_forgotten

Folder = Annotated[Path, typer.Argument(help="The folder of the export.", metavar="FOLDER")]
BackupFolder = Annotated[Path, typer.Argument(help="The folder of the backup.", metavar="FOLDER")]


def export_command(
    folder: Folder,
    rows: Annotated[int, typer.Option("--rows-per-file", min=1, help="About how many rows a file holds.")] = 100_000,
    config: Config = None,
) -> None:
    """Write the warehouse into a new folder, as Parquet, to import it elsewhere. `up` may be running.

    What is written to the warehouse while the export runs may be missing in it. The files hold personal data.
    """

    async def body(settings: Settings) -> int:
        async with opened_for_reading(settings, "rollcall export") as warehouse:
            with transfer_progress({}) as progress:
                manifest = await export_to(folder, warehouse, rows, progress)
        facts, files = manifest.rows("activity"), sum(map(len, manifest.tables.values()))
        print(f"exported {facts} facts and the directory to {folder}, {files} files")
        return DONE

    run_command(config, body)


def import_command(folder: Folder, config: Config = None) -> None:
    """Bring an export into the warehouse, and compute the user days again. Doing it twice changes nothing.

    An import that was cut short goes on where it stopped when it is run again.
    """

    async def body(settings: Settings) -> int:
        manifest = read_manifest(folder)
        async with opened_warehouse(settings, "rollcall import") as warehouse:
            with transfer_progress({table: manifest.rows(table) for table in manifest.tables}) as progress:
                done = await import_from(folder, manifest, warehouse, progress)
            # The export may be of a time before somebody was forgotten.
            known, file = await forgotten_in(warehouse), forgotten_file(settings)
            await remember_forgotten(warehouse, read_forgotten(file).entries - known.asked.entries)
            left_out = await erase_forgotten(warehouse, settings.sites, settings.seats)
        print(f"imported {done.imported} files, {done.already_there} were there already; {done.user_days} user days")
        if left_out:
            print_error(f"{sum(left_out.values())} rows of accounts that are to be forgotten were left out")
        if done.mixed:
            print_error(f"{done.mixed} files went among other rows that were there: their keys were compared, no more")
        if done.user_days != manifest.user_days:
            print_error(
                f"the export's warehouse had {manifest.user_days} user days. The facts decide: a rollup that was not "
                "rebuilt since a reconcile may hold wrong ones, and other facts here or another time zone make others"
            )
        return DONE

    run_command(config, body)


def backup_command(folder: BackupFolder, config: Config = None) -> None:
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
    folder: BackupFolder,
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
