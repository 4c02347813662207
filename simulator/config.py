"""What makes one simulated site differ from another; together with nothing else it decides every act."""

import time

import msgspec

DAY_MS = 86_400_000
MINUTE_MS = 60_000


class SiteConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of a site. Two sites of equal parameters are equal to the byte.

    Attributes:
        seed: Any whole number; everything random follows from it.
        people: Accounts of type atlassian, the calling service account included.
        days: Length of the history before ``now_ms``, in days.
        now_ms: The moment the site was started, epoch ms; history ends here and the site's clock begins.
        acts_per_day: Mean acts of a person (readers aside) on a working day.
        reader_share: Share of people who hold a license and leave no trace.
        org_missing_share: Share of people whom the organization's search does not name.
        customers: Portal customers; None gives a tenth of the people.
        apps: App accounts besides Automation for Jira.
        hostile_names: How many people carry names that break careless pages (script, 10,000 letters, ...).
        site_name: First label of the site's host name.
        site_zone: The site's default time zone, in which Jira writes every time.
        report_zone: The zone of reporting days, for the truth only.
        caller_zone: Profile time zone of the calling account; Jira reads JQL times in it.
        echoes: Whether the site sends ``jira:issue_updated`` without changelog for comment acts.
        activity_histories: Whether the changelog entries that worklogs and comment deletions write are also
            sent as ``jira:issue_updated``.
        comment_id_in_history: Whether the entry of a comment deletion names the comment's id in ``from``.
        extras: Whether attachment_created and issuelink_created are sent too (they make no facts).
        localized_share: Share of changelog items whose ``field`` is in another language.
        hard_cases: Whether to add issues beyond every cap and acts on every edge, see `life.hard_cases`.
        crowd: Further issues that one import creates at once, with no life after it.
        live_start_ms: When live activity begins; 0 for none.
        live_per_minute: Acts a minute of live activity, day and night.
    """

    seed: int = 7
    people: int = 200
    days: int = 30
    now_ms: int = msgspec.field(default_factory=lambda: int(time.time() * 1000))
    acts_per_day: float = 18.0
    reader_share: float = 0.12
    org_missing_share: float = 0.02
    customers: int | None = None
    apps: int = 4
    hostile_names: int = 0
    site_name: str = "acme"
    site_zone: str = "America/New_York"
    report_zone: str = "Europe/Berlin"
    caller_zone: str = "UTC"
    echoes: bool = True
    activity_histories: bool = True
    comment_id_in_history: bool = True
    extras: bool = True
    localized_share: float = 0.03
    hard_cases: bool = False
    crowd: int = 0
    live_start_ms: int = 0
    live_per_minute: float = 0.0

    @property
    def start_ms(self) -> int:
        """Start of the history, epoch ms: ``days`` before now."""
        return self.now_ms - self.days * DAY_MS

    @property
    def host(self) -> str:
        """Host name the site gives itself in ``self`` links; nothing listens there."""
        return f"{self.site_name}.atlassian.net"
