"""The errors that one part of Rollcall raises for another to handle."""


class RollcallError(Exception):
    """Base of all errors that Rollcall raises on purpose; the text says what to do."""


class SettingsError(RollcallError):
    """The settings are unusable; the text names the setting and the remedy."""


class LogUnavailableError(RollcallError):
    """The event log cannot take or give records now (disk full, locked, broker away). Trying later may work."""


class WarehouseUnavailableError(RollcallError):
    """The warehouse cannot be reached or refuses work now. Trying later may work."""


class WarehouseHeldError(WarehouseUnavailableError):
    """Another process holds the embedded warehouse's files; the text names its process id."""


class SchemaError(RollcallError):
    """The warehouse's schema is not what this version of Rollcall needs; the text says which migration to run."""


class NotUnderstoodError(RollcallError):
    """A payload or a record that cannot be turned into facts; it belongs to the dead letters.

    Attributes:
        reason: A short stable word for counting, such as ``data_center``.
        detail: One sentence for people; never holds text that somebody wrote in Jira.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class OlderThanJiraError(NotUnderstoodError):
    """A moment before Jira's first release, as things have that were moved here from an older tracker."""


class TooMuchPoisonError(RollcallError):
    """Too large a share of the records cannot be understood: something systematic, so the consumer stops."""
