"""The settings of each part: ingest, consumers, retention, and the reconcile run."""

from pathlib import Path
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rollcall.http.guard import optional_address
from rollcall.settings.jira_url import checked_origin

SHORTEST_SECRET = 16
"""Characters of a webhook secret or token; a shorter secret can be guessed from one captured delivery."""


class Group(BaseModel):
    """Settings of one part; an unknown name is an error, so that a typing slip is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ReconcileSettings(Group):
    """How a reconcile run queries Jira, and how long it waits."""

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
            description="Hours before a whole window from which Jira is asked for candidates; facts are then filtered "
            "exactly.",
        ),
    ] = 24.0
    whole_days: Annotated[
        int,
        Field(
            ge=1,
            le=365,
            description="Days after which a run reads its whole window again, and the project roles; the runs between "
            "read what moved since the last one that lacked nothing. 1 for always.",
        ),
    ] = 7
    moved_overlap_hours: Annotated[
        float,
        Field(
            ge=0.1,
            description="Hours before the beginning of that last run from which what moved is read again; for Jira's "
            "search index, differing clocks, and webhooks that come late.",
        ),
    ] = 2.0
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
    gateway_url: Annotated[
        str,
        Field(
            description="Where scoped API tokens are used, with the site's cloud id. Plain http only to a loopback "
            "address."
        ),
    ] = "https://api.atlassian.com"

    @field_validator("gateway_url")
    @classmethod
    def _safe_gateway(cls, value: str) -> str:
        return checked_origin(value)

    @field_validator("daily_timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value and value not in available_timezones():
            raise ValueError(f"{value!r} is no time zone; write an IANA name such as Europe/Berlin")
        return value


class IngestSettings(Group):
    """How webhooks are received."""

    body_limit: Annotated[
        int,
        Field(
            ge=1024,
            description="Largest webhook body, in bytes; a larger one is answered 413. Jira sends up to 25 MB. On "
            "Kafka its dead letter has to fit into `kafka.message_bytes`.",
        ),
    ] = 32 * 1024 * 1024
    body_timeout: Annotated[
        float,
        Field(
            gt=0,
            description="Seconds a webhook's body may take to arrive; then it is answered 408, which Jira retries.",
        ),
    ] = 20.0
    bodies_in_memory: Annotated[
        int,
        Field(
            ge=1024,
            description="Bytes of webhook bodies held at once; beyond it webhooks are answered 503 with Retry-After. A "
            "quarter is kept for the first 64 KiB of each, and one address gets half of it for what is larger.",
        ),
    ] = 256 * 1024 * 1024
    append_timeout: Annotated[
        float,
        Field(gt=0, description="Seconds to wait for the log to take the facts; then 503 with Retry-After."),
    ] = 10.0
    retry_after: Annotated[int, Field(ge=1, description="Seconds named in Retry-After of a 503.")] = 30
    drain_timeout: Annotated[
        float, Field(gt=0, description="Seconds that webhooks in flight get to finish at a stop.")
    ] = 15.0


class ConsumerSettings(Group):
    """How records go from the log into the warehouse."""

    listen: Annotated[
        str,
        Field(
            description="Address and port where `rollcall consume` answers /healthz, /readyz and /metrics; empty "
            "switches it off. Several `consume` on one machine need an address each. `up` answers them at `listen`."
        ),
    ] = "127.0.0.1:8081"
    batch_records: Annotated[int, Field(ge=1, le=1_000_000, description="Most records inserted at once.")] = 20_000
    batch_seconds: Annotated[
        float,
        Field(
            gt=0,
            description="Longest time in seconds that a record waits for its batch to fill. It waits twice as long as "
            "the batch before took to be written, and 0.2 s at least.",
        ),
    ] = 1.0
    poison_ratio: Annotated[
        float,
        Field(gt=0, le=1, description="Share of unreadable records in the window at which the consumer stops."),
    ] = 0.2
    poison_window: Annotated[
        int, Field(ge=10, description="Number of records that the share of unreadable ones is taken over.")
    ] = 1000
    backoff_max: Annotated[
        float,
        Field(gt=0, description="Longest pause in seconds between two tries while log or warehouse are away."),
    ] = 30.0

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str) -> str:
        return optional_address(value)


_FEWEST_DAYS, _DAYS_MORE = 90, 30


class PrivacySettings(Group):
    """When Rollcall forgets without being asked, at the end of the run of each day."""

    closed_days: Annotated[
        float,
        Field(
            ge=0,
            description="Days after which an account is forgotten that the directory lists as inactive, or lists no "
            "longer, on every site; 0 for never. It is let in again once the directory has it active.",
        ),
    ] = 0
    snapshot_days: Annotated[
        float,
        Field(
            ge=0,
            description="Days after which names, licenses, groups and roles of a directory that was read are removed, "
            "unless it is the newest with some part; 0 for never. Else at least 90, and 30 more than `closed_days`.",
        ),
    ] = 0

    @model_validator(mode="after")
    def _long_enough(self) -> "PrivacySettings":
        if 0 < self.snapshot_days < max(_FEWEST_DAYS, self.closed_days + _DAYS_MORE):
            raise ValueError(
                "snapshot_days: older directories tell since when a seat is held and an account is closed: write at "
                f"least {_FEWEST_DAYS}, and {_DAYS_MORE} more than closed_days"
            )
        return self


class RetentionSettings(Group):
    """How long the event log keeps records.

    A SQLite log removes nothing that a consumer has yet to write. Kafka removes by age, read or not.
    """

    activity_days: Annotated[
        float,
        Field(
            gt=0,
            description="Days that activity and directory records are kept. On Kafka it is written into the "
            "topics when they are created, and records go whether or not a consumer has read them: consumers may stand "
            "still no longer.",
        ),
    ] = 7.0
    deadletter_days: Annotated[
        float,
        Field(
            gt=0,
            description="Days that dead letters are kept. On Kafka it is written into their topic when it is created.",
        ),
    ] = 30.0
    max_bytes: Annotated[
        int,
        Field(
            ge=0,
            description="Size of a topic in bytes above which its oldest consumed records go; 0 for no limit. On Kafka "
            "it bounds the dead letters only, when their topic is created.",
        ),
    ] = 4 * 1024**3
    every_seconds: Annotated[float, Field(gt=0, description="Seconds between two clean-ups. Not used with Kafka.")] = (
        300.0
    )
