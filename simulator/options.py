"""Command line options that several commands share."""

import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from simulator.config import SiteConfig

Seed = Annotated[int, typer.Option(help="Everything random follows from it.")]
People = Annotated[int, typer.Option(help="Accounts of type atlassian.", min=5)]
Days = Annotated[int, typer.Option(help="Length of the history, in days.", min=0)]
Now = Annotated[int, typer.Option(help="The site's present, epoch ms; 0 for the real one.", min=0)]
Acts = Annotated[float, typer.Option(help="Mean acts of a person on a working day.", min=0)]
More = Annotated[list[str] | None, typer.Option("--set", help="Any other parameter: name=value, see SiteConfig.")]
Loss = Annotated[float, typer.Option(help="Share of webhooks that are never sent.", min=0, max=1)]
Duplicates = Annotated[float, typer.Option(help="Share of webhooks that are sent twice.", min=0, max=1)]
Window = Annotated[int, typer.Option(help="Places by which a webhook may come late.", min=0)]
TimeScale = Annotated[float, typer.Option(help="Simulated seconds in a real one, for retries.", min=0.001)]
Secret = Annotated[str, typer.Option(help="Key of the signature; empty for unsigned webhooks.")]
SecretFile = Annotated[Path | None, typer.Option(help="File that holds the key of the signature.")]


def site(seed: int, people: int, days: int, now: int, acts_per_day: float, more: list[str]) -> SiteConfig:
    """Build a site's parameters from the options.

    Raises:
        typer.BadParameter: A ``name=value`` names no parameter or holds a wrong value.
    """
    given: dict[str, object] = dict(pair.partition("=")[::2] for pair in more)
    given |= {"seed": seed, "people": people, "days": days, "acts_per_day": acts_per_day}
    given.setdefault("now_ms", now or int(time.time() * 1000))
    try:
        return msgspec.convert(given, SiteConfig, strict=False)
    except msgspec.ValidationError as error:
        raise typer.BadParameter(str(error)) from error


def key(secret: str, secret_file: Path | None) -> str:
    """Return the webhook secret, from the file if there is one."""
    return secret_file.read_text().strip() if secret_file else secret
