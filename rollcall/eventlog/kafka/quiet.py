"""aiokafka tells of every try to reach a broker that is away, several times a second; once a minute is enough."""

import logging
import time

_EVERY_SECONDS = 60.0
_EVERYDAY = frozenset({"Heartbeat failed for group %s because it is rebalancing"})
"""What aiokafka warns of although it is how members of a group come and go."""


class OnceAMinute(logging.Filter):
    """Lets the same message pass once a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record may pass; messages are the same when their templates are."""
        now = time.monotonic()
        if record.msg in _EVERYDAY or now - self._last.get(record.msg, -_EVERY_SECONDS) < _EVERY_SECONDS:
            return False
        self._last[record.msg] = now
        return True


_ONCE_A_MINUTE = OnceAMinute()


def quieten() -> None:
    """Limit what aiokafka logs to warnings and worse, each once a minute. Calling it again changes nothing."""
    parent = logging.getLogger("aiokafka")
    if parent.level == logging.NOTSET:
        parent.setLevel(logging.WARNING)
    # A filter holds for the very logger it is added to, not for those below it.
    for name in list(logging.root.manager.loggerDict):
        if name == "aiokafka" or name.startswith("aiokafka."):
            logging.getLogger(name).addFilter(_ONCE_A_MINUTE)
