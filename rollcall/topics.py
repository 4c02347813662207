"""The topics of the event log, by the names in the settings."""

from dataclasses import dataclass

from rollcall.eventlog.interface import Topic
from rollcall.settings import Settings

WAREHOUSE_GROUP = "warehouse"
"""The consumer group that writes to ClickHouse."""

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Topics:
    """The three topics."""

    activity: Topic
    directory: Topic
    deadletter: Topic

    def all(self) -> tuple[Topic, ...]:
        """Return every topic."""
        return (self.activity, self.directory, self.deadletter)


def topics_of(settings: Settings) -> Topics:
    """Return the topics with their names and retention."""
    retention = settings.retention
    facts_ms, dead_letters_ms = int(retention.activity_days * _DAY_MS), int(retention.deadletter_days * _DAY_MS)
    prefix = settings.topic_prefix
    return Topics(
        activity=Topic(f"{prefix}.activity", facts_ms, retention.max_bytes),
        directory=Topic(f"{prefix}.directory", facts_ms, retention.max_bytes),
        deadletter=Topic(f"{prefix}.deadletter", dead_letters_ms, retention.max_bytes, consumed=False),
    )
