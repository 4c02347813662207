"""A simulated Jira site over HTTP, and Rollcall's settings for it."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from reconcile import run
from reconcile.client.jira_client import JiraClient, Limits
from reconcile.client.retry import Backoff
from reconcile.state import watermark
from rollcall.clock import now_ms
from rollcall.settings import Settings
from simulator.config import SiteConfig
from simulator.rest.faults import Faults
from simulator.rest.site import EMAIL, TOKEN, Site
from simulator.server import running

NOW = 1_795_000_000_000
"""The simulated site's present, 2026-11-18 11:06:40 UTC; fixed, so that every run of a test is the same."""

MYSELF = "GET /rest/api/3/myself"
SECRET = "0123456789abcdef0123456789abcdef"


def config(**parameters: Any) -> SiteConfig:
    """Parameters of a small site of 35 days with the hard cases."""
    small: dict[str, Any] = {"people": 10, "days": 35, "acts_per_day": 6.0, "now_ms": NOW, "hard_cases": True}
    return SiteConfig(**{**small, **parameters})


@dataclass(frozen=True)
class JiraSite:
    """The site and where it answers."""

    site: Site
    url: str

    def faults(self, **given: Any) -> None:
        self.site.faults = Faults(**given)

    def goes_away(self, endpoint: str, answered: int = 0, *, greets: bool = True) -> None:
        """Let Jira as a whole go away once that endpoint has answered so often; /myself answers as a run begins.

        A run of what moved does not ask it then, so that it `greets` nobody. No worklog comes with its issue.
        """
        away = [503] * 100
        self.faults(embedded_worklogs=0, forced={endpoint: [200] * answered + away, MYSELF: [200] * greets + away})

    @property
    def requests(self) -> int:
        return self.site.requests.total()


@asynccontextmanager
async def jira_site(parameters: SiteConfig | None = None, **faults: Any) -> AsyncIterator[JiraSite]:
    """Run a site whose clock stands still."""
    site = Site(parameters or config())
    site.faults = Faults(**faults)
    with this_clock(site):
        async with running(site) as url:
            yield JiraSite(site, url)


def this_clock(site: Site, ahead_ms: int = 0) -> AbstractContextManager[Any]:
    """Let this machine's clock, as a run sees it, be that of the site, or differ from it by so much."""

    def now() -> int:
        return site.clock.now() + ahead_ms

    return mock.patch("reconcile.state.watermark.now_ms", now)


def keep_the_sites_clock() -> None:
    """Let this process's clock, as a run sees it, be that of whichever site it asks; for a process of a test's own."""

    async def present_of(site: str, jira: JiraClient) -> watermark.Present:
        def now() -> int:
            return jira.present or now_ms()

        with mock.patch.object(watermark, "now_ms", now):
            return await watermark.present_of(site, jira)

    run.present_of = present_of  # type: ignore[attr-defined]  # it is imported there


def settings_for(url: str, folder: Path, zone: str = "Europe/Berlin", **more: Any) -> Settings:
    """Settings with everything in one folder; what each run reads is all that seats want, unless told otherwise."""
    acme = {"url": url, "email": EMAIL, "api_token": TOKEN, "webhook_secrets": [SECRET], "timezone": zone}
    return Settings.model_validate(
        {
            "log_url": f"sqlite://{folder}/events.db",
            "warehouse_url": f"chdb://{folder}/warehouse",
            "sites": {"acme": acme},
            "seats": {"idle_days": 30},
            **more,
        }
    )


def hurried(attempts: int = 12) -> Limits:
    """Limits whose pauses are counted in full and hardly waited for."""
    return Limits(attempts=attempts, backoff=Backoff(jitter=lambda: 1.0), pace=1 / 20_000)
