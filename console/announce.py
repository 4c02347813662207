"""What a process says once it takes webhooks."""

import sys

from console.listening import bracketed
from rollcall.settings import Settings, split_address


def say_ready(settings: Settings, port: int) -> None:
    """Print to stderr where webhooks are taken, one line a site."""
    host, _ = split_address(settings.listen)
    for name, site in settings.sites.items():
        signed = "unsigned" if not site.secrets() else "signed"
        print(
            f"rollcall: taking {signed} webhooks of {site.url} at http://{bracketed(host)}:{port}/webhooks/{name}",
            file=sys.stderr,
        )
    sys.stderr.flush()
