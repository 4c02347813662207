"""``rollcall deadletter``: look at what Rollcall could not understand, replay it after a fix, or dismiss it."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.progress import track

from console.dead_letter_queue import DeadLetterQueue, matching, pick_dead_letter
from console.output import FormatOption, OutputFormat, print_payload, print_record, print_rows
from console.process import DONE, INCOMPLETE, Config, print_error, run_command
from rollcall.errors import NotUnderstoodError
from rollcall.records import DeadLetter
from rollcall.runtime import opened
from rollcall.settings import Settings

app = typer.Typer(no_args_is_help=True, help="What Rollcall could not understand: look at it, try again after a fix.")

_COLUMNS = ("id", "received_at", "site", "origin", "reason", "bytes", "settled")
_DETAILS = (*_COLUMNS[:-1], "position", "detail", "settled")

LetterId = Annotated[str, typer.Argument(metavar="ID", help="The dead letter's id, or the first digits of it.")]
LetterIds = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Which dead letters.")]
OfSite = Annotated[str | None, typer.Option("--site", help="Only those of this site, also one no longer in use.")]
OfReason = Annotated[str | None, typer.Option("--reason", help="Only those of this reason, such as not_json.")]
All = Annotated[bool, typer.Option("--all", help="All that are open.")]


@app.command("list")
def list_dead_letters(
    everything: Annotated[bool, typer.Option("--all", help="Show also those that are settled.")] = False,
    site: OfSite = None,
    reason: OfReason = None,
    form: FormatOption = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """List the dead letters, oldest first."""

    async def body(settings: Settings) -> int:
        async with opened(settings, "rollcall deadletter") as runtime:
            letters = await DeadLetterQueue(runtime).letters(settled=everything)
        print_rows([_row(letter) for letter in matching(letters, site, reason).values()], _COLUMNS, form)
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
        async with opened(settings, "rollcall deadletter") as runtime:
            letters = await DeadLetterQueue(runtime).letters(settled=True)
        letter = pick_dead_letter(letters, letter_id)
        if payload:
            print_payload(letter.payload)
        else:
            print_record(_row(letter), _DETAILS, form)
        return DONE

    run_command(config, body)


Settle = Callable[[DeadLetterQueue, list[DeadLetter]], Awaitable[int]]
"""Does something with dead letters, and returns the exit code."""


def _of_chosen(settle: Settle) -> Callable[..., None]:
    """Return the command that does it with the dead letters of its options."""

    def command(
        letter_ids: LetterIds = None,
        everything: All = False,
        site: OfSite = None,
        reason: OfReason = None,
        config: Config = None,
    ) -> None:
        filtered = site is not None or reason is not None
        if bool(letter_ids) == (everything or filtered):
            raise typer.BadParameter("name dead letters, or choose them by --site or --reason, or give --all")

        async def body(settings: Settings) -> int:
            async with opened(settings, "rollcall deadletter") as runtime:
                queue = DeadLetterQueue(runtime)
                return await settle(queue, _chosen(await queue.letters(), letter_ids, site, reason))

        run_command(config, body)

    command.__doc__ = settle.__doc__
    return command


@app.command("replay")
@_of_chosen
async def replay(queue: DeadLetterQueue, letters: list[DeadLetter]) -> int:
    """Try dead letters again, after the cause was mended. What still is not understood stays."""
    left = records = 0
    for letter in track(letters, "replaying", disable=not sys.stderr.isatty()):
        try:
            records += await queue.replay(letter)
        except NotUnderstoodError as error:
            left += 1
            print_error(f"{letter.letter_id[:12]} stays: {error}")
    print(f"{len(letters) - left} dead letters replayed, {records} records put on the log, {left} stay")
    return INCOMPLETE if left else DONE


@app.command("dismiss")
@_of_chosen
async def dismiss(queue: DeadLetterQueue, letters: list[DeadLetter]) -> int:
    """Settle dead letters that will never be understood, for good: also should the same ones come again."""
    for letter in letters:
        await queue.dismiss(letter)
    print(f"{len(letters)} dead letters dismissed")
    return DONE


def _chosen(
    letters: Mapping[str, DeadLetter], letter_ids: list[str] | None, site: str | None, reason: str | None
) -> list[DeadLetter]:
    """Return the dead letters that were named, each once, or else those of a site and a reason."""
    if letter_ids:
        picked = [pick_dead_letter(letters, one) for one in letter_ids]
        return list({letter.letter_id: letter for letter in picked}.values())
    return list(matching(letters, site, reason).values())


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
