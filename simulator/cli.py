"""The command line: ``serve`` a site, ``send`` its history, print its ``truth``."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from msgspec.structs import replace

from simulator.clock import ScaledClock, SiteClock
from simulator.company.directory import Directory, directory_truth
from simulator.config import SiteConfig
from simulator.hooks.delivery import Announcer
from simulator.hooks.registry import EVENTS
from simulator.hooks.sender import Disorder, Sender
from simulator.life.stream import acts
from simulator.life.truth import truth
from simulator.rest.site import EMAIL, ORGANIZATION, ORGANIZATION_KEY, TOKEN, Site
from simulator.server import run

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


def site_config(seed: int, people: int, days: int, now: int, acts_per_day: float, more: list[str]) -> SiteConfig:
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


def webhook_secret(secret: str, secret_file: Path | None) -> str:
    """Return the webhook secret, from the file if there is one."""
    return secret_file.read_text().strip() if secret_file else secret


app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)

Since = Annotated[int, typer.Option(help="Begin here, epoch ms; 0 for the start of the history.", min=0)]
Until = Annotated[int, typer.Option(help="End before this, epoch ms; 0 for the site's present.", min=0)]


@app.command("truth")
def truth_command(
    seed: Seed = 7,
    people: People = 200,
    days: Days = 30,
    now: Now = 0,
    acts_per_day: Acts = 18.0,
    more: More = None,
    since: Since = 0,
    until: Until = 0,
    what: Annotated[Literal["facts", "directory"], typer.Option(help="Facts, or users, licenses and roles.")] = "facts",
) -> None:
    """Print what really happened as JSON Lines, with what the webhook and REST can know of it."""
    config = site_config(seed, people, days, now, acts_per_day, more or [])
    out = sys.stdout.buffer
    encoder = msgspec.json.Encoder()
    rows = (
        directory_truth(Directory(config), config.now_ms)
        if what == "directory"
        else truth(config, since or config.start_ms, until or config.now_ms)
    )
    for row in rows:
        out.write(encoder.encode(row) + b"\n")
    out.flush()


@app.command()
def serve(
    seed: Seed = 7,
    people: People = 200,
    days: Days = 30,
    now: Now = 0,
    acts_per_day: Acts = 18.0,
    more: More = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 for any free one.", min=0, max=65535)] = 0,
    webhook: Annotated[str, typer.Option(help="URL to register a webhook for at once.")] = "",
    secret: Secret = "",
    secret_file: SecretFile = None,
    history: Annotated[bool, typer.Option(help="Send that webhook the history first.")] = False,
    live_per_minute: Annotated[float, typer.Option(help="Acts a minute besides the ordinary ones.", min=0)] = 0.0,
    speed: Annotated[float, typer.Option(help="Speed of the site's clock; 0 stands still.", min=0)] = 1.0,
    token: Annotated[str, typer.Option(help="API token that the site accepts.")] = TOKEN,
    loss: Loss = 0.0,
    duplicates: Duplicates = 0.0,
    window: Window = 0,
    time_scale: TimeScale = 1.0,
) -> None:
    """Serve the site's REST API and send its webhooks until interrupted.

    Prints one JSON line when ready: address, cloud_id, email, token, organization, organization_key, and the site's
    parameters.
    """
    config = site_config(seed, people, days, now, acts_per_day, more or [])
    if live_per_minute:
        config = replace(config, live_start_ms=config.now_ms, live_per_minute=live_per_minute)
    place = Site(config, SiteClock(config.now_ms, speed), token=token)
    if webhook:
        place.registry.add("simulator", webhook, list(EVENTS), webhook_secret(secret, secret_file), config.now_ms)

    def ready(address: str) -> None:
        login = {"cloud_id": place.cloud_id, "email": EMAIL, "token": token}
        keyed = {"organization": ORGANIZATION, "organization_key": ORGANIZATION_KEY}
        typer.echo(msgspec.json.encode({"address": address, **login, **keyed, "site": config}))
        sys.stdout.flush()

    disorder = Disorder(loss=loss, duplicates=duplicates, window=window, salt=seed)
    run(place, ready, port=port, disorder=disorder, time_scale=time_scale, history=1 if webhook and history else 0)


@app.command()
def send(
    url: Annotated[str, typer.Argument(help="Where the webhooks go.")],
    secret: Secret = "",
    secret_file: SecretFile = None,
    seed: Seed = 7,
    people: People = 200,
    days: Days = 30,
    now: Now = 0,
    acts_per_day: Acts = 18.0,
    more: More = None,
    since: Since = 0,
    until: Until = 0,
    loss: Loss = 0.0,
    duplicates: Duplicates = 0.0,
    window: Window = 0,
    time_scale: TimeScale = 1.0,
) -> None:
    """Send the history as webhooks, as fast as they are acknowledged; prints what became of them as JSON."""
    config = site_config(seed, people, days, now, acts_per_day, more or [])
    announcer = Announcer(config)
    found = acts(config, since or config.start_ms, until or config.now_ms)
    disorder = Disorder(loss=loss, duplicates=duplicates, window=window, salt=seed)
    sender = Sender(url, webhook_secret(secret, secret_file), disorder=disorder, clock=ScaledClock(time_scale))
    stats = asyncio.run(sender.send(delivery for act in found for delivery in announcer.deliveries(act)))
    typer.echo(msgspec.json.encode(stats.as_json()))
