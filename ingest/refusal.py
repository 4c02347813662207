"""A webhook that is not taken."""

from rollcall.errors import RollcallError


class RefusalError(RollcallError):
    """A webhook is answered with an error, and nothing of it is kept.

    Jira sends again after 408, 409, 425, 429, 5xx and a lost connection, and drops the event for good after any
    other 4xx (announcement by Atlassian's staff).

    Attributes:
        status: HTTP status of the answer.
        reason: Short stable word for the answer, the log line and the metric.
        detail: More for the log line, empty when there is no more; never text of the webhook.
        close: Whether the connection is of no more use.
    """

    def __init__(self, status: int, reason: str, detail: str = "", *, close: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.close = close


class DisconnectedError(RollcallError):
    """The sender went away before its webhook was whole; Jira sends it again."""
