"""What every command shares: the settings option, the event loop, and errors turned into exit codes."""

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from reconcile.client.connecting import credentials
from rollcall.errors import RollcallError, SettingsError
from rollcall.logs import configure_logging
from rollcall.settings import CONFIG_VARIABLE, Settings, load_settings
from rollcall.warehouse import calls_left

DONE, FAILED, WRONG_USAGE, INCOMPLETE = 0, 1, 2, 3
"""Exit codes: done; failed; wrong usage or settings; done but something is missing (it was printed)."""

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar=CONFIG_VARIABLE,
        show_envvar=True,
        metavar="FILE",
        help="Settings file; rollcall.toml unless named.",
    ),
]


def run(config: Path | None, body: Callable[[Settings], Awaitable[int]]) -> None:
    """Load the settings, run a command's body and leave with its exit code.

    Args:
        config: The settings file, or None for the default one.
        body: The command; returns an exit code.
    """
    code = exit_code(config, body)
    if calls_left():  # Python would wait for their threads, which wait for a server that does not answer
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise typer.Exit(code)


def exit_code(config: Path | None, body: Callable[[Settings], Awaitable[int]]) -> int:
    """Run a command's body and return its exit code; errors that Rollcall raises on purpose are printed."""

    async def main(settings: Settings) -> int:
        return await body(settings)

    try:
        settings = load_settings(config)
        configure_logging(settings.log_level, settings.log_format)
        return uvloop.run(main(settings))
    except SettingsError as error:
        complain(str(error))
        return WRONG_USAGE
    except RollcallError as error:
        complain(str(error))
        return FAILED
    except KeyboardInterrupt:
        complain("interrupted")
        return FAILED


def complain(text: str) -> None:
    """Print an error for a person to stderr."""
    print(f"rollcall: {text}", file=sys.stderr)


def require_sites(settings: Settings) -> None:
    """Raise SettingsError unless at least one Jira site is in the settings."""
    if not settings.sites:
        raise SettingsError(
            "no Jira site is in the settings. Put one into rollcall.toml:\n\n"
            '    [sites.acme]\n    url = "https://acme.atlassian.net"\n'
            '    webhook_secrets = ["the secret entered at the webhook in Jira"]\n\n'
            "README.md shows the whole way."
        )


def require_tokens(settings: Settings) -> None:
    """Raise SettingsError unless every API token that the settings name can be read."""
    for name, site in settings.sites.items():
        credentials(name, site)


def site_names(settings: Settings, site: str | None) -> list[str]:
    """Return the sites a command is about: the one named, or all.

    Raises:
        SettingsError: There is no such site.
    """
    require_sites(settings)
    if site is not None and site not in settings.sites:
        raise SettingsError(f"--site {site}: no such site; the settings have {', '.join(settings.sites)}")
    return [site] if site else list(settings.sites)
