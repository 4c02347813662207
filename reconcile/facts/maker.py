"""What all facts of a run share: the site, the window, and the moment of learning."""

from typing import NamedTuple

from reconcile.shapes.people import Person
from reconcile.window import Window
from rollcall.identity import jira_id
from rollcall.jira_time import parse_jira_time
from rollcall.records import Action, Activity, Family


class Place(NamedTuple):
    """The issue a fact belongs to: 0 or empty for what is not known."""

    issue_id: int = 0
    issue_key: str = ""
    project_key: str = ""


class Maker:
    """Makes the facts of one run.

    Args:
        site: Name of the site in the settings.
        window: Facts outside of it are not made.
        learned_at: When the run learns them, epoch ms.
    """

    def __init__(self, site: str, window: Window, learned_at: int) -> None:
        self.window = window
        self._site = site
        self._learned_at = learned_at

    def fact(
        self,
        event_key: str,
        family: Family,
        action: Action,
        who: Person | None,
        at: int,
        place: Place,
        fields: list[str] | None = None,
    ) -> Activity:
        """Make a fact; nobody's when Jira does not say who."""
        account_id = who.known_id if who else ""
        return Activity(
            site=self._site,
            event_key=event_key,
            account_id=account_id,
            account_type=who.known_type if who and account_id else "",
            family=family,
            action=action,
            occurred_at=at,
            issue_id=place.issue_id,
            issue_key=place.issue_key,
            project_key=place.project_key,
            fields=fields or [],
            source="reconcile",
            received_at=self._learned_at,
        )

    def inside(self, moment: int | str | None) -> int | None:
        """Read a moment; None when it lies outside the window.

        Raises:
            ValueError: It is no moment.
        """
        at = parse_jira_time(moment)
        return at if self.window.holds(at) else None


def number_or_zero(value: object) -> int:
    """Read an id that a fact can do without."""
    try:
        return jira_id(value)
    except ValueError:
        return 0
