"""A simulated site in this process, behind a proxy that misbehaves, read whole by Rollcall and held against its truth.

No socket is opened, so that a case costs a fraction of a second; everything from the client's decision about an answer
on is the real thing.
"""

import base64
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import msgspec

from reconcile.client.jira_client import connected
from reconcile.progress import LoggedProgress
from reconcile.publisher import ExistingFacts, KnownDirectory, NoExistingFacts
from reconcile.run import RunContext, RunOptions, read_site
from reconcile.state.checkpoint import Checkpoint
from reconcile.state.run_state import lasting_state
from reconcile.state.window import Window, WindowRequest, window
from rollcall.errors import RollcallError
from rollcall.records import Activity, Directory, License, Role, SnapshotComplete, User
from rollcall.runtime import opened
from rollcall.settings import Settings
from simulator.company.directory import PRODUCTS, directory_truth
from simulator.config import SiteConfig
from simulator.life.truth import Truth
from simulator.rest.app import build_app
from simulator.rest.site import EMAIL, TOKEN, Site

from ..reconcile.backfilling import Appended, appended
from ..reconcile.oracle import known_to_rest
from ..reconcile.site import config, hurried, settings_for, this_clock

URL = "https://acme.atlassian.net"
WORLD = config(people=7, acts_per_day=2.0, days=9, crowd=100, hard_cases=False)
"""Small: nine days of seven people, and an import of 100 issues, so that a search has pages."""

WEEK = WindowRequest(days=7)

MOST_REQUESTS = 1_500
"""More than any run of that site may take; a healthy one takes about a hundred."""

Fault = Callable[[httpx.Request, httpx.Response], httpx.Response | Exception]
"""What a proxy makes of an answer, or what happens to the connection instead."""


def endpoint_of(request: httpx.Request) -> str:
    """Method and path of what was asked, without the API's prefix, numbers and keys as braces."""
    path = request.url.path.partition("/rest/api/3")[2] or request.url.path
    parts = path.split("/")
    for place in range(2, len(parts)):
        if parts[place - 1] in ("issue", "project", "role") and parts[place] not in ("search", "bulkfetch"):
            parts[place] = "{}"
    name = f"{request.method} {'/'.join(parts)}"
    if name == "POST /search/jql" and b'"fields":["id"]' in request.content:
        name += " (ids only)"
    return name


class Proxy(httpx.AsyncBaseTransport):
    """Hands requests to the site and its answers through the fault; only to the configured host goes the token."""

    def __init__(self, site: Site, fault: Fault | None) -> None:
        self.asked = Counter[str]()
        self.hosts = set[str]()
        self._inner = httpx.ASGITransport(build_app(site))
        self.fault = fault

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.asked[endpoint_of(request)] += 1
        self.hosts.add(f"{request.url.scheme}://{request.url.host}")
        if self.asked.total() > MOST_REQUESTS:
            raise AssertionError(f"more than {MOST_REQUESTS} requests: {self.asked}")
        answer = await self._inner.handle_async_request(request)
        content = await answer.aread()
        given: httpx.Response | Exception = httpx.Response(answer.status_code, headers=answer.headers, content=content)
        if self.fault:
            given = self.fault(request, given)  # type: ignore[arg-type]  # it is a response until then
        if isinstance(given, Exception):
            raise given
        return given


@dataclass(frozen=True)
class Outcome:
    """What a run under a fault came to.

    Attributes:
        run: The run; None where it stopped.
        error: Why it stopped.
        lost: The truth that is not on the log, by key.
        wanted: All of the truth that REST knows in the window that was asked for, by the site's own clock.
        invented: Keys of facts on the log that never happened.
        lost_rows: What the snapshot lacks of users, licenses and roles, by part, and does not say that it lacks.
        asked: Requests, by endpoint.
        hosts: Where they went.
    """

    run: Checkpoint | None
    error: RollcallError | None
    lost: Mapping[str, Truth]
    wanted: Mapping[str, Truth]
    invented: set[str]
    lost_rows: Mapping[str, set[tuple[str, ...]]]
    asked: Counter[str]
    hosts: set[str]

    @property
    def code(self) -> int:
        return 1 if self.run is None else 3 if self.run.missing else 0

    @property
    def words(self) -> str:
        return str(self.error) if self.run is None else "; ".join(self.run.missing)

    def assert_honest(self) -> None:
        """Nothing is invented, and what is lost was told."""
        assert not self.invented
        assert self.hosts == {URL}
        if self.code == 0:
            assert not self.lost
            assert not self.lost_rows
        assert "\n" not in self.words
        assert TOKEN not in self.words
        assert base64.b64encode(f"{EMAIL}:{TOKEN}".encode()).decode() not in self.words

    def families(self) -> set[str]:
        """What kinds of facts were lost."""
        return {one.family for one in self.lost.values()}


@lru_cache(maxsize=4)
def standing(parameters: SiteConfig = WORLD) -> Site:
    """A site whose clock stands still, which cases share: two comments of an issue come with it, and one worklog."""
    site = Site(parameters)
    site.faults.embedded_comments, site.faults.embedded_worklogs = 2, 1
    return site


class Before(NoExistingFacts):
    """A warehouse that has the directory of the site as a run of the day before read it, and no activity."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def directory(self, site: str) -> KnownDirectory:
        del site
        found, now = _true(self._site), self._site.clock.now()
        used = {product: len(self._site.directory.holders(product, now)) for product in PRODUCTS}
        held = {product: len(found.get(f"licenses:{product}", ())) for product in PRODUCTS}
        return KnownDirectory(
            len(found["users"]),
            {product: held[product] / max(1, used[product]) for product in PRODUCTS},
            dict.fromkeys(("users", "licenses", "roles", "projects"), now),
            accounts={account for account, active in found["users"] if active == "True"},
        )


async def read_under(
    fault: Fault | None,
    folder: Path,
    site: Site | None = None,
    options: RunOptions | None = None,
    attempts: int = 4,
    existing: ExistingFacts | None = None,
    ahead_ms: int = 0,
    *,
    resume: bool = False,
) -> Outcome:
    """Read the whole site once while the proxy misbehaves, and compare; a day before it was read without a fault.

    This machine's clock is the site's, or so much ahead of it. A run that was cut off may be gone on with.
    """
    site = site or standing()
    settings, proxy = settings_for(URL, folder), Proxy(site, fault)
    limits = replace(hurried(attempts), pace=0.0)
    run, error = None, None
    try:
        async with (
            opened(settings, "a test") as runtime,
            connected("acme", settings.sites["acme"], settings.reconcile, limits, proxy) as client,
        ):
            with (
                this_clock(site, ahead_ms),
                lasting_state(folder / "reconcile", "acme", resume=resume) as (state, left),
            ):
                context = RunContext(
                    "acme", settings, client, runtime, existing or Before(site), state, LoggedProgress("acme")
                )
                run = await read_site(context, options or RunOptions(WEEK), left)
    except RollcallError as failure:
        error = failure
    found = await appended(settings)
    wanted: Mapping[str, Truth] = {}
    if run and "activity" in run.parts:
        wanted = known_to_rest(site, _true_window(site, settings, options or RunOptions(WEEK)), site.vanished)
    everything = known_to_rest(site, _EVER)
    return Outcome(
        run,
        error,
        {key: one for key, one in wanted.items() if _is_lost(one, found, key)},
        wanted,
        {key for key, one in found.facts.items() if _is_told(one, site) and key not in everything},
        lost_rows(site, found.rows) if run and "directory" in run.parts else {},
        proxy.asked,
        proxy.hosts,
    )


def _true_window(site: Site, settings: Settings, options: RunOptions) -> Window:
    return window(options.window, settings.reconcile, settings.sites["acme"].zone(), site.clock.now())


class _Ever:
    @staticmethod
    def holds(_moment: int) -> bool:
        return True


_EVER: Any = _Ever()


def _is_told(fact: Activity, site: Site) -> bool:
    """Whether the site's truth, which begins some day, would have it."""
    return bool(fact.account_id) and fact.occurred_at >= site.config.start_ms


def _is_lost(one: Truth, found: Appended, key: str) -> bool:
    fact = found.facts.get(key)
    return fact is None or fact.account_id != one.rest_actor or fact.occurred_at != one.rest_at


def lost_rows(site: Site, rows: Iterable[Directory]) -> dict[str, set[tuple[str, ...]]]:
    """Return by part what the newest complete snapshot lacks of the truth, but for parts that it says it lacks."""
    rows = list(rows)
    complete = [row for row in rows if isinstance(row, SnapshotComplete)]
    if not complete:
        return {}
    last = complete[-1]
    given = _given(row for row in rows if row.snapshot_id == last.snapshot_id)
    lost: dict[str, set[tuple[str, ...]]] = {}
    for part, wanted in _true(site).items():
        if missing := wanted - given.get(part, set()):
            kind = part.partition(":")[0]
            if part not in last.lacks and kind not in last.lacks:
                lost[part] = missing
    return lost


def _given(rows: Iterable[Directory]) -> dict[str, set[tuple[str, ...]]]:
    found: dict[str, set[tuple[str, ...]]] = {}
    for row in rows:
        if isinstance(row, User):
            found.setdefault("users", set()).add((row.account_id, str(row.active)))
        elif isinstance(row, License):
            found.setdefault(f"licenses:{row.product}", set()).add((row.account_id,))
        elif isinstance(row, Role) and row.scope in ("site admin", "product access", "group"):
            found.setdefault(f"roles:{row.scope}", set()).add((row.account_id, row.role))
        elif isinstance(row, Role):
            found.setdefault(f"projects:{row.scope}", set()).add((row.account_id, row.role))
    return found


def _true(site: Site) -> dict[str, set[tuple[str, ...]]]:
    found: dict[str, set[tuple[str, ...]]] = {}
    directory, now = site.directory, site.clock.now()
    elsewhere: set[str] = set()
    for row in directory_truth(directory, now):
        account = row.get("account_id", "")
        if row["kind"] == "user":
            found.setdefault("users", set()).add((account, str(row["active"])))
        elif row["kind"] == "license" and row["product"] != "jira-core":
            elsewhere.add(account)
            found.setdefault(f"licenses:{row['product']}", set()).add((account,))
        elif row["kind"] == "group" and row["access"] == "site-admin" and _is_active(site, account):
            found.setdefault("roles:site admin", set()).add((account, "site-admin"))
        elif row["kind"] == "project_role" and (not row["via"] or _is_active(site, account)):
            found.setdefault(f"projects:{row['project_key']}", set()).add((account, row["role"]))
    return found


def _is_active(site: Site, account: str) -> bool:
    directory = site.directory
    return directory.active(directory.people[directory.index[account]], site.clock.now())


def json_of(answer: httpx.Response) -> Any:
    """The body of an answer."""
    return msgspec.json.decode(answer.content)


def with_body(answer: httpx.Response, body: Any, **headers: str) -> httpx.Response:
    """The same answer with another body."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    kept = {name: value for name, value in answer.headers.items() if name != "content-length"}
    return httpx.Response(answer.status_code, headers=kept | headers, content=content)
