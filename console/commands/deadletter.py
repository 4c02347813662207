"""``rollcall deadletter``: look at what Rollcall could not understand, and replay it after a fix."""

import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.progress import track

from console.dead_letter_queue import DeadLetterQueue, pick_dead_letter
from console.output import FormatOption, OutputFormat, print_rows
from console.process import DONE, INCOMPLETE, Config, print_error, run_command
from rollcall.errors import NotUnderstoodError
from rollcall.records import DeadLetter
from rollcall.runtime import opened
from rollcall.settings import Settings

app = typer.Typer(no_args_is_help=True, help="What Rollcall could not understand: look at it, try again after a fix.")

_COLUMNS = ("id", "received_at", "site", "origin", "reason", "bytes", "settled")
_DETAILS = (*_COLUMNS[:-1], "position", "detail", "settled")

LetterId = Annotated[str, typer.Argument(metavar="ID", help="The dead letter's id, or the first digits of it.")]


@app.command("list")
def list_dead_letters(
    everything: Annotated[bool, typer.Option("--all", help="Show also those that were replayed.")] = False,
    form: FormatOption = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """List the dead letters, oldest first."""

    async def body(settings: Settings) -> int:
        async with opened(settings) as runtime:
            letters = await DeadLetterQueue(runtime).letters(settled=everything)
        print_rows([_row(letter) for letter in letters.values()], _COLUMNS, form)
        return DONE

    run_command(config, body)


@app.command()
def show(
    letter_id: LetterId,
    payload: Annotated[
        bool, typer.Option("--payload", help="Write the payload as it came to stdout. It may hold what people wrote.")
    ] = False,
    form: FormatOption = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Show one dead letter: why it is one, and where it came from."""

    async def body(settings: Settings) -> int:
        async with opened(settings) as runtime:
            letters = await DeadLetterQueue(runtime).letters(settled=True)
        letter = pick_dead_letter(letters, letter_id)
        if payload:
            sys.stdout.buffer.write(letter.payload)
            sys.stdout.buffer.flush()
        else:
            print_rows([_row(letter)], _DETAILS, form)
        return DONE

    run_command(config, body)


@app.command("replay")
def replay_dead_letters(
    letter_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Which dead letters.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are open.")] = False,
    config: Config = None,
) -> None:
    """Try dead letters again, after the cause was mended. What still is not understood stays."""
    if bool(letter_ids) == everything:
        raise typer.BadParameter("name dead letters, or give --all")

    async def body(settings: Settings) -> int:
        async with opened(settings) as runtime:
            queue = DeadLetterQueue(runtime)
            letters = await queue.letters()
            chosen = (
                list(letters.values()) if everything else [pick_dead_letter(letters, one) for one in letter_ids or []]
            )
            left = records = 0
            for letter in track(chosen, "replaying", disable=not sys.stderr.isatty()):
                try:
                    records += await queue.replay(letter)
                except NotUnderstoodError as error:
                    left += 1
                    print_error(f"{letter.letter_id[:12]} stays: {error}")
        print(f"{len(chosen) - left} dead letters replayed, {records} records put on the log, {left} stay")
        return INCOMPLETE if left else DONE

    run_command(config, body)


def _row(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.letter_id,
        "received_at": datetime.fromtimestamp(letter.received_at / 1000, UTC),
        "site": letter.site,
        "origin": letter.origin,
        "position": letter.position,
        "reason": letter.reason,
        "detail": letter.detail,
        "bytes": len(letter.payload),
        "settled": letter.settled,
    }
