"""A running site: its clock, directory, faults, and what has been asked of it."""

from collections import Counter, OrderedDict

from simulator.chance import mix, uuid
from simulator.clock import SiteClock
from simulator.company.directory import Directory
from simulator.company.projects import Project, projects
from simulator.config import MINUTE_MS, SiteConfig
from simulator.life.act import Act
from simulator.life.births import birth_of
from simulator.life.numbering import FIRST, issue_of
from simulator.life.story import tell
from simulator.rest.faults import Faults
from simulator.rest.index import Index
from simulator.rest.registry import Registry
from simulator.rest.snapshot import Snapshot, snapshot
from simulator.rest.throttle import Throttle
from simulator.sender.stats import Stats

EMAIL = "svc@acme.example"
TOKEN = "simulator-token"  # noqa: S105 - of a simulated site
SCOPED_TOKEN = "simulator-scoped-token"  # noqa: S105 - of a simulated site
_STORIES = 4_096


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
        self.deliveries: list[Stats] = []
        self.vanished: dict[int, int] = {}
        self.vanished_entries: dict[int, int] = {}
        self._stories: OrderedDict[int, list[Act]] = OrderedDict()

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
        number = int(text) + FIRST - 1
        past = {self.projects[act.issue.project].key for act in self._story(number) if act.at <= self.clock.now()}
        return self.issue_by_id(number) if project.upper() in past else None

    def issue_by_id(self, issue_id: int) -> Snapshot | None:
        """Return an issue as it stands now."""
        if issue_id in self.vanished:
            return None
        return snapshot(self._story(issue_id), self.clock.now(), self.vanished_entries.__contains__)

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

    def _story(self, issue_id: int) -> list[Act]:
        known = self._stories.get(issue_id)
        if known is None:
            birth = birth_of(self.config, issue_id)
            known = self._stories[issue_id] = tell(self.config, birth) if birth else []
            if len(self._stories) > _STORIES:
                self._stories.popitem(last=False)
        else:
            self._stories.move_to_end(issue_id)
        return known
