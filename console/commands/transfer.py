"""``rollcall export FOLDER`` and ``rollcall import FOLDER``."""

from pathlib import Path
from typing import Annotated

import typer

from console.process import DONE, Config, print_error, run_command
from console.transfer.exporter import export_to
from console.transfer.importer import import_from
from console.transfer.manifest import read_manifest
from console.transfer.progress_bar import transfer_progress
from rollcall.forgotten_accounts import forgotten_file, forgotten_in, read_forgotten
from rollcall.runtime import opened_for_reading, opened_warehouse
from rollcall.settings import Settings
from rollcall.warehouse.erasure import erase_forgotten, remember_forgotten

Folder = Annotated[Path, typer.Argument(help="The folder of the export.", metavar="FOLDER")]


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
