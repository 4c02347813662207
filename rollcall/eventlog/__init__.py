"""The event log between ingest, reconcile and the consumers: SQLite on one machine, Kafka on many."""

from rollcall.eventlog.interface import Entry, EventLog, Position, Reader, Record, Remark, Topic, TopicState
from rollcall.eventlog.log_url import open_log

__all__ = ["Entry", "EventLog", "Position", "Reader", "Record", "Remark", "Topic", "TopicState", "open_log"]
