"""Errors of a group that aiokafka takes for answers.

From its version 2 on, Kafka's OffsetFetch puts what is wrong with the group, such as a coordinator that has just moved,
above an empty list of partitions. aiokafka 0.14 reads only the list: the group seems to have committed nothing, and
whoever joins it would begin at the oldest record, and write that down.
"""

from typing import Any

import aiokafka.consumer.consumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest


class _Attentive(GroupCoordinator):  # type: ignore[misc]  # aiokafka is not typed
    """A member's side of its group, which hears what is wrong with it."""

    async def _send_req(self, request: Any) -> Any:
        answer = await super()._send_req(request)
        if isinstance(request, OffsetFetchRequest) and (code := getattr(answer, "error_code", 0)):
            error = for_code(code)
            if error in (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError):
                self.coordinator_dead()
            raise error()
        return answer


def hear_group_errors() -> None:
    """From now on raise these errors in every consumer of this process. Calling it again changes nothing."""
    aiokafka.consumer.consumer.GroupCoordinator = _Attentive
