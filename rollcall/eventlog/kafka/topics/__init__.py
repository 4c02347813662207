"""The topics at the brokers: made as the settings say, and looked at where somebody else made them."""

from rollcall.eventlog.kafka.topics.checking import Checked, check_topics
from rollcall.eventlog.kafka.topics.making import make_topics

__all__ = ["Checked", "check_topics", "make_topics"]
