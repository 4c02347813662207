"""What can go wrong when Jira is asked, by what to do about it."""

from rollcall.errors import RollcallError


class JiraError(RollcallError):
    """Jira did not give what was asked for; the text says what to do."""


class JiraRefusedError(JiraError):
    """Jira understood and refused, or answered with something else; asking again gives the same.

    Attributes:
        status: HTTP status of the answer; 0 when the answer itself was unusable.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class NotThereError(JiraRefusedError):
    """What was asked for is not there (any more), or may not be seen: 404 says both (OpenAPI file)."""


class JiraUnavailableError(JiraError):
    """Jira could not be reached or kept putting off; the run can go on later with ``--resume``."""


class PagingError(JiraError):
    """A list of pages does not end: Jira gave the same page again, or far too many."""
