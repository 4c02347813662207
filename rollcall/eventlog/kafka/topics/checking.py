"""Whether topics that exist will do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient

from rollcall.eventlog.interface import Remark, Topic
from rollcall.eventlog.kafka.topics.differing import remarks_on
from rollcall.eventlog.kafka.topics.existing import look_at
from rollcall.eventlog.kafka.topics.unfit import refuse_unfit
from rollcall.logs import logger
from rollcall.settings.kafka import KafkaSettings

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Checked:
    """How many in-sync copies each topic wants before it takes a record, and what somebody should look at."""

    insync: Mapping[str, int]
    remarks: Sequence[Remark]


async def check_topics(admin: AIOKafkaAdminClient, topics: Sequence[Topic], settings: KafkaSettings) -> Checked:
    """Compare topics that exist with the settings, as far as the brokers tell, and log where they differ.

    Raises:
        SettingsError: Records would be lost or refused; the text names the remedy.
        KafkaError: The brokers cannot say now.
    """
    existing = await look_at(admin, topics)
    for found in existing:
        refuse_unfit(found, settings)
    remarks = [remark for found in existing for remark in remarks_on(found, settings)]
    for remark in remarks:
        if remark.remedy:
            _log.warning(
                "topic is less than the settings say", topic=remark.topic, found=remark.found, do=remark.remedy
            )
        else:
            _log.warning("topic cannot be checked", topic=remark.topic, cause=remark.found)
    insync = {found.topic.name: found.number("min.insync.replicas") for found in existing}
    return Checked({name: copies or settings.min_insync_replicas for name, copies in insync.items()}, remarks)
