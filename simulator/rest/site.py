"""A running site: its clock, directory, faults, what has been asked of it, and its issues as they stand at a moment."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable

import msgspec

from simulator.chance import mix, uuid
from simulator.clock import SiteClock
from simulator.company.directory import Directory
from simulator.company.project import Project, projects
from simulator.config import MINUTE_MS, SiteConfig
from simulator.hooks.delivery import DeliveryStats
from simulator.hooks.registry import Registry
from simulator.life.act import Act, Entry, Issue
from simulator.life.birth import FIRST_ID, birth_of, issue_of
from simulator.life.lifecycle import lifecycle
from simulator.rest.faults import Faults, Throttle
from simulator.rest.index import Index


class Snapshot(msgspec.Struct, frozen=True):
    """An issue with its live comments and worklogs (oldest first) and its changelog (oldest first)."""

    issue: Issue
    comments: list[Entry]
    worklogs: list[Entry]
    histories: list[Act]


def snapshot(acts: Iterable[Act], now: int, gone: Callable[[int], bool] = lambda _id: False) -> Snapshot | None:
    """Return the issue at ``now`` (epoch ms); None before its creation and after its deletion.

    Args:
        acts: The issue's lifecycle.
        now: The moment.
        gone: Whether a comment or worklog is missing for another reason.
    """
    issue: Issue | None = None
    comments: dict[int, Entry] = {}
    worklogs: dict[int, Entry] = {}
    histories = []
    for act in acts:
        if act.at > now:
            break
        if act.kind == "issue_deleted":
            return None
        issue = act.issue
        if act.entry is not None:
            entries = comments if act.kind.startswith("comment") else worklogs
            if act.kind.endswith("_deleted"):
                entries.pop(act.entry.id, None)
            else:
                entries[act.entry.id] = act.entry
        # The changelog of a creation exists in its webhook only.
        if act.history and act.kind != "issue_created" and act.history_at <= now:
            histories.append(act)
    if issue is None:
        return None
    live = [[entry for entry in entries.values() if not gone(entry.id)] for entries in (comments, worklogs)]
    return Snapshot(issue, live[0], live[1], histories)


EMAIL = "svc@acme.example"
TOKEN = "simulator-token"  # noqa: S105 - of a simulated site
SCOPED_TOKEN = "simulator-scoped-token"  # noqa: S105 - of a simulated site
ORGANIZATION = "simulated-organization"
ORGANIZATION_KEY = "simulator-organization-key"
_LIFECYCLES = 4_096


class Site:
    """The state behind the REST API."""

    def __init__(self, config: SiteConfig, clock: SiteClock | None = None, *, token: str = TOKEN) -> None:
        """Open a site; the clock stands at the configured present unless another is given."""
        self.config = config
        self.clock = clock or SiteClock(config.now_ms)
        self.token = token
        self.directory = Directory(config)
        self.projects: tuple[Project, ...] = projects(config)
        self.faults = Faults()
        self.throttle = Throttle()
        self.registry = Registry(config.host)
        self.index = Index(config)
        self.requests: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.deliveries: list[DeliveryStats] = []
        self.vanished: dict[int, int] = {}
        self.vanished_entries: dict[int, int] = {}
        self._lifecycles: OrderedDict[int, list[Act]] = OrderedDict()

    @property
    def cloud_id(self) -> str:
        """Id of the site behind the gateway."""
        return uuid(self.config.seed, 81)

    def now(self) -> int:
        """Return the site's present, epoch ms, with the index brought up to it."""
        now = self.clock.now()
        self.index.follow(now, now - self.faults.search_lag_ms)
        return now

    def issue(self, id_or_key: str) -> Snapshot | None:
        """Return an issue as it stands now, by id or by any key it ever had."""
        project, dash, text = id_or_key.rpartition("-")
        if not text.isascii() or not text.isdigit():
            return None
        if not dash:
            return self.issue_by_id(int(text))
        number = int(text) + FIRST_ID - 1
        past = {self.projects[act.issue.project].key for act in self._lifecycle(number) if act.at <= self.clock.now()}
        return self.issue_by_id(number) if project.upper() in past else None

    def issue_by_id(self, issue_id: int) -> Snapshot | None:
        """Return an issue as it stands now."""
        if issue_id in self.vanished:
            return None
        return snapshot(self._lifecycle(issue_id), self.clock.now(), self.vanished_entries.__contains__)

    def holder(self, part: int) -> Snapshot | None:
        """Return the issue that a comment or worklog of this id would belong to."""
        return self.issue_by_id(issue_of(part))

    def vanish(self, count: int) -> list[int]:
        """Delete this many live issues without a webhook, as if somebody had; returns their ids."""
        live = sorted(self.index.rows)
        taken = []
        for turn in range(min(count, len(live))):
            issue_id = live[mix(self.config.seed, self.requests.total(), turn) % len(live)]
            if issue_id not in self.vanished:
                self.vanish_issue(issue_id)
                taken.append(issue_id)
        return taken

    def vanish_issue(self, issue_id: int) -> None:
        """Delete one issue without a webhook."""
        self.vanished[issue_id] = self.clock.now()
        self.index.remove(issue_id)

    def feed(self, *, deleted: bool, since: int) -> list[tuple[int, int]]:
        """Return (ms, worklog id) of a worklog feed, which leaves out the last minute."""
        now = self.now()
        found = (self.index.deleted if deleted else self.index.updated).read(since, now - MINUTE_MS)
        if not self.vanished and not self.vanished_entries:
            return found
        return [
            (at, number)
            for at, number in found
            if deleted or (number not in self.vanished_entries and issue_of(number) not in self.vanished)
        ]

    def _lifecycle(self, issue_id: int) -> list[Act]:
        known = self._lifecycles.get(issue_id)
        if known is None:
            birth = birth_of(self.config, issue_id)
            known = self._lifecycles[issue_id] = lifecycle(self.config, birth) if birth else []
            if len(self._lifecycles) > _LIFECYCLES:
                self._lifecycles.popitem(last=False)
        else:
            self._lifecycles.move_to_end(issue_id)
        return known
