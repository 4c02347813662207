"""The settings of the reconciler, which asks Jira's REST API what the webhooks missed."""

from pathlib import Path
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator


class ReconcileSettings(BaseModel):
    """How a reconcile run asks Jira, and how patient it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: Annotated[
        int, Field(ge=1, le=3650, description="Days a run looks back over: today and the days before it.")
    ] = 30
    settle_minutes: Annotated[
        float,
        Field(
            ge=0,
            description="Minutes before now at which a run's window ends; Jira's search index lags behind a little.",
        ),
    ] = 5.0
    overlap_hours: Annotated[
        float,
        Field(
            ge=0,
            description="Hours before the window from which Jira is asked for candidates; facts are then filtered "
            "exactly.",
        ),
    ] = 24.0
    state_dir: Annotated[
        Path | None,
        Field(
            description="Folder of the checkpoints that `--resume` goes on from; by default `reconcile` beside a "
            "SQLite log's file. With another log, runs cannot be resumed unless this is set."
        ),
    ] = None
    concurrency: Annotated[
        int, Field(ge=1, le=50, description="Requests to one Jira site at a time; Atlassian advises 5 to 10.")
    ] = 6
    timeout: Annotated[float, Field(gt=0, description="Seconds that Jira may take to answer a request.")] = 90.0
    attempts: Annotated[
        int, Field(ge=1, le=100, description="How often one request is sent before the run gives up.")
    ] = 8
    backoff_first: Annotated[
        float, Field(gt=0, description="First pause in seconds after a failure that names none; it doubles each time.")
    ] = 2.0
    backoff_max: Annotated[float, Field(gt=0, description="Longest such pause in seconds.")] = 30.0
    wait_max: Annotated[
        float,
        Field(
            gt=0,
            description="Longest pause in seconds that Jira may ask for (its hourly quota); a longer one ends the "
            "run with an error.",
        ),
    ] = 3900.0
    project_roles: Annotated[
        bool,
        Field(
            description="Whether to learn who holds which role in which project; costs one request a project and one "
            "for each of its roles."
        ),
    ] = True
    project_role_group_limit: Annotated[
        int,
        Field(
            ge=0,
            description="Members above which a group that holds a project role is not listed person by person.",
        ),
    ] = 1000
    coverage_warning: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Share of facts brought by webhooks, on a day, below which a run warns; 0 for never.",
        ),
    ] = 0.9
    drain_seconds: Annotated[
        float,
        Field(
            gt=0,
            description="Seconds without any progress of the consumers after which a run stops waiting for them to "
            "write what it found.",
        ),
    ] = 120.0
    daily_at: Annotated[
        str,
        Field(
            pattern=r"^(([01]\d|2[0-3]):[0-5]\d)?$",
            description="Time of day at which `up` asks Jira by itself; a missed run is made up for after the next "
            "start. Empty switches it off, also the first 30 days at the first start.",
        ),
    ] = "02:30"
    daily_timezone: Annotated[
        str, Field(description="Time zone of `daily_at`; empty takes each site's own `timezone`.")
    ] = ""
    gateway_url: Annotated[str, Field(description="Where scoped API tokens are used, with the site's cloud id.")] = (
        "https://api.atlassian.com"
    )

    @field_validator("daily_timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value and value not in available_timezones():
            raise ValueError(f"{value!r} is no time zone; write an IANA name such as Europe/Berlin")
        return value
