"""The checks that ask Jira, site by site: token, permissions, clock and zone, webhook, and the identity of facts.

The first question is asked with little patience, so that a wrong address or token is told in seconds. What fails after
it costs only itself, unless the account is refused.

Identity: whether a webhook's changelog id is REST's on this site, so that one change is one fact from both. Atlassian
nowhere promises it; captures make it likely. Here it is looked at.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from console.checks.finding import Finding
from console.checks.time_zones import REMEDY, Disagreement, disagreements, known_zones
from reconcile.admin_webhooks import BY_HAND, AdminWebhook, list_webhooks
from reconcile.client.endpoints import CHANGELOGS_BY_ID, MY_PERMISSIONS, MYSELF, PROJECTS, SERVER_INFO
from reconcile.client.jira_client import JiraClient, Limits, connected, limits_of
from reconcile.client.jira_errors import AccountRefusedError, JiraError, NotThereError
from reconcile.client.paging import decoded_elements
from reconcile.client.retry import Backoff
from reconcile.directory.exemptions import lost_names
from reconcile.responses import HISTORY, HistoriesById, Myself, Permissions, ProjectPage, ServerInfo
from rollcall.clock import now_ms
from rollcall.errors import RollcallError
from rollcall.jira.events import REGISTERED
from rollcall.jira.values import id_or_none, id_or_zero, parse_jira_time
from rollcall.runtime import opened_for_reading
from rollcall.settings import Settings

_NEEDED = {
    "ADMINISTER": ("Administer Jira", "licenses, seats, group members and webhooks cannot be read without it"),
    "USER_PICKER": ("Browse users and groups", "the list of users cannot be read without it"),
    "BROWSE_PROJECTS": ("Browse projects", "nothing that people did can be read without it"),
}
_CLOCKS_MS = 60_000
_BOTH = "until they agree, runs read the days of both clocks"


_FIRST_ATTEMPTS = 2
_FIRST_TIMEOUT = 10.0
_FIRST_WAIT = 20.0
_MEND_FIRST = "mend this first; the other checks need it"


def _limits(settings: Settings) -> Limits:
    limits = limits_of(settings.reconcile)
    first = replace(
        limits,
        attempts=min(_FIRST_ATTEMPTS, limits.attempts),
        timeout=min(_FIRST_TIMEOUT, settings.reconcile.timeout),
        wait_max=min(_FIRST_WAIT, limits.wait_max),
        wait_limit="a check waits",
        backoff=Backoff(min(1.0, limits.backoff.first), min(1.0, limits.backoff.longest)),
    )
    return replace(limits, at_first=first)


async def access_findings(name: str, jira: JiraClient, myself: Myself) -> AsyncIterator[Finding]:
    """Look at token, permissions, projects and clock of a site. Raises AccountRefusedError."""
    kind = myself.account_type or "unknown"
    yield Finding(
        f"{name}: API token",
        True,
        f"works (account type {kind}). When it expires cannot be asked: tokens live a year at most, so note the date "
        "shown at id.atlassian.com; an expired one looks like 401",
    )
    for subject, look in (("permissions", _permissions), ("projects", _projects), ("clock", _clock)):
        for finding in await _looked_at(f"{name}: {subject}", look(name, jira)):
            yield finding


async def _looked_at(subject: str, look: Awaitable[list[Finding]]) -> list[Finding]:
    """Return what a look finds, or why there is none to be had. Raises AccountRefusedError."""
    try:
        return await look
    except AccountRefusedError:
        raise
    except JiraError as error:
        return [Finding(subject, False, f"cannot be looked at: {error}", "look again later, or mend what it names")]


async def _permissions(name: str, jira: JiraClient) -> list[Finding]:
    held = (await jira.read(Permissions, MY_PERMISSIONS, query={"permissions": ",".join(_NEEDED)})).permissions
    lacking = [key for key in _NEEDED if key not in held or not held[key].have_permission]
    if not lacking:
        return [Finding(f"{name}: permissions", True, "has " + ", ".join(title for title, _ in _NEEDED.values()))]
    return [
        Finding(
            f"{name}: permissions",
            False,
            f"lacks {_NEEDED[key][0]}: {_NEEDED[key][1]}",
            f"give the account {_NEEDED[key][0]} in Jira's global or project permissions; with a scoped token, the "
            "scopes too",
        )
        for key in lacking
    ]


async def _projects(name: str, jira: JiraClient) -> list[Finding]:
    page = await jira.read(ProjectPage, PROJECTS, query={"startAt": 0, "maxResults": 1})
    total = page.total if page.total is not None else page.size
    subject = f"{name}: projects"
    if not total:
        return [
            Finding(subject, False, "the account sees none", "give it Browse projects on all that is to be tracked")
        ]
    found = f"the account sees {total}; compare with Jira's own number, hidden projects and issues are simply missing"
    return [Finding(subject, True, found)]


async def _names(settings: Settings, name: str, jira: JiraClient) -> list[Finding]:
    remedy = "write the name as Jira has it, or take the entry out"
    lost = await lost_names(jira, settings.seats, name)
    return [Finding(f"{name}: seats", False, one, remedy) for one in lost] or [
        Finding(f"{name}: seats", True, "the site has every product, group and account that the settings name")
    ]


async def seat_findings(settings: Settings, name: str, jira: JiraClient) -> AsyncIterator[Finding]:
    """Look whether the site has what the settings of seats name, if they name anything. Raises AccountRefusedError."""
    if settings.seats.products or settings.seats.exempt:
        for finding in await _looked_at(f"{name}: seats", _names(settings, name, jira)):
            yield finding


async def _clock(name: str, jira: JiraClient) -> list[Finding]:
    subject = f"{name}: clock"
    before = now_ms()
    info = await jira.read(ServerInfo, SERVER_INFO)
    ours = (before + now_ms()) // 2
    try:
        ahead = parse_jira_time(info.server_time) - ours
    except ValueError:
        return [Finding(subject, True, "Jira does not tell its time")]
    shown = f"{abs(ahead) / 1000:.1f} s {'behind' if ahead > 0 else 'ahead of'} Jira's"
    if abs(ahead) > _CLOCKS_MS:
        return [Finding(subject, False, f"ours is {shown}; {_BOTH}", "set this machine's clock; run an NTP service")]
    dated = jira.present
    if dated is not None and abs(dated - ours) > _CLOCKS_MS:
        date = f"{datetime.fromtimestamp(dated / 1000, UTC):%Y-%m-%d %H:%M} UTC"
        remedy = "have the proxy between here and Jira pass on the Date of each answer, and cache none"
        return [Finding(subject, False, f"ours is {shown}, but its answer is dated {date}; {_BOTH}", remedy)]
    return [Finding(subject, True, f"ours is {shown}")]


async def zone_finding(settings: Settings, name: str, myself: Myself) -> Finding:
    """Look at the time zone in which Jira reads the times of the account's queries."""
    subject, zone = f"{name}: time zone", myself.time_zone
    if not zone:
        return Finding(subject, True, "the account tells none; windows are asked for relative to now")
    found = f"Jira reads times of queries in {zone}"
    try:
        known = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return Finding(
            subject,
            False,
            f"{found}, which this machine does not know",
            "install the tzdata package, or set the account's profile to UTC",
        )
    if differs := await _disagreement(settings, zone, known):
        return Finding(
            subject,
            False,
            f"{found}: {differs}. Where Python's is the old one, a run's searches begin at a wrong hour, which "
            "reconcile.overlap_hours makes up for",
            f"{REMEDY}, or set the account's profile to UTC",
        )
    return Finding(subject, True, f"{found}; they are converted")


async def _disagreement(settings: Settings, zone: str, known: ZoneInfo) -> Disagreement | None:
    """Return where the engine's table, a second opinion, differs from Python's; None where it has no opinion."""
    try:
        async with opened_for_reading(settings, "rollcall check") as warehouse:
            if not await known_zones(warehouse, [zone]):
                return None
            return (await disagreements(warehouse, {zone: known}))[zone]
    except RollcallError:
        return None


async def webhook_findings(settings: Settings, name: str, jira: JiraClient) -> AsyncIterator[Finding]:
    """Look at the registrations that post to this site's address. Raises AccountRefusedError."""
    subject = f"{name}: webhook"
    try:
        registered = await list_webhooks(jira)
    except AccountRefusedError:
        raise
    except JiraError as error:
        yield Finding(subject, False, f"cannot be looked at: {error}", "look in Jira, System > WebHooks")
        return
    ours = [one for one in registered if _is_ours(settings, name, one.url)]
    if not ours:
        yield Finding(
            subject,
            False,
            f"none of the {len(registered)} registered ones posts to /webhooks/{name}",
            f"`rollcall webhook register --site {name}`, or {BY_HAND}",
        )
        return
    for webhook in ours:
        yield _judged(settings, name, webhook)
    if len([one for one in ours if one.enabled]) > 1:
        yield Finding(subject, True, f"{len(ours)} post here; that does no harm, facts have one identity")


def _is_ours(settings: Settings, name: str, url: str) -> bool:
    """Return whether a registration posts to this site's path, at the public address if one is set."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False  # somebody else's, with a template in it
    public = urlsplit(settings.page.public_url)
    here = not public.hostname or parts.hostname == public.hostname
    return here and parts.path.rstrip("/").endswith(f"/webhooks/{name}")


def _judged(settings: Settings, name: str, webhook: AdminWebhook) -> Finding:
    subject = f"{name}: webhook {webhook.id}"
    again = f"edit it in Jira, or `rollcall webhook remove {webhook.id}` and register it anew"
    lacking = [event for event in REGISTERED if event not in webhook.events]
    if not webhook.enabled:
        return Finding(subject, False, "is switched off", "enable it in Jira, System > WebHooks")
    if lacking:
        return Finding(subject, False, f"lacks the events {', '.join(lacking)}", again)
    if webhook.exclude_body:
        return Finding(subject, False, "sends no body ('Exclude body' is on), so nothing can be learned from it", again)
    if webhook.is_signed is False and not settings.sites[name].unsigned:
        return Finding(subject, False, "is not signed, so its posts are answered 401", again)
    limited = f"; only issues matching {webhook.jql!r}" if webhook.jql else ""
    return Finding(subject, True, f"posts to {webhook.url} with all events, signed{limited}")


_ISSUES = 5

_RECENT = """
SELECT event_key, max(webhook_received_at) AS at
FROM activity_sources
WHERE site = {site:String} AND startsWith(event_key, 'history:')
GROUP BY event_key
HAVING at IS NOT NULL
ORDER BY at DESC
LIMIT 50
"""

_ISSUES_OF = """
SELECT event_key, max(activity.issue_id) AS issue
FROM activity
WHERE site = {site:String} AND event_key IN {keys:Array(String)}
GROUP BY event_key
HAVING issue > 0
"""


async def identity_finding(settings: Settings, name: str, jira: JiraClient) -> Finding:
    """Compare changelog ids that webhooks brought for a few recent issues with those that REST knows.

    Raises:
        JiraError: Jira did not answer.
    """
    subject = f"{name}: identity of changes"
    recent = await _recent(settings, name)
    same = other = 0
    for issue, ids in list(recent.items())[:_ISSUES]:
        try:
            page = await jira.read(HistoriesById, CHANGELOGS_BY_ID, issue, body={"changelogIds": ids})
        except NotThereError:
            continue
        theirs = {
            id_or_zero(id_or_none(history.id)) for history in decoded_elements(HISTORY, page.histories, lambda: None)
        }
        same += len(theirs & set(ids))
        other += len(set(ids) - theirs)
    if not same and not other:
        return Finding(
            subject, True, "no evidence yet: no webhook has brought a change of an issue that is still there"
        )
    if other:
        return Finding(
            subject,
            False,
            f"REST knows {same} of {same + other} changelog ids that webhooks brought for recent issues",
            "changes may be counted twice on this site; please report it, days and people stay right",
        )
    return Finding(subject, True, f"holds: REST knows all {same} changelog ids that webhooks brought for recent issues")


async def _recent(settings: Settings, name: str) -> dict[int, list[int]]:
    try:
        async with opened_for_reading(settings, "rollcall check") as warehouse:
            keys = [row["event_key"] for row in await warehouse.query(_RECENT, {"site": name})]
            issues = await warehouse.query(_ISSUES_OF, {"site": name, "keys": keys})
    except RollcallError:
        return {}
    found: dict[int, list[int]] = defaultdict(list)
    for row in sorted(issues, key=lambda row: keys.index(row["event_key"])):
        found[row["issue"]].append(int(row["event_key"].removeprefix("history:")))
    return found


async def jira_findings(settings: Settings) -> AsyncIterator[Finding]:
    """Ask every site about token, permissions, projects, clock, time zone, webhook and the identity of facts."""
    for name in settings.sites:
        async for finding in _site(settings, name):
            yield finding


async def _site(settings: Settings, name: str) -> AsyncIterator[Finding]:
    site = settings.sites[name]
    if not site.credentials(name):
        yield Finding(
            f"{name}: API token",
            False,
            "there is none, so Jira cannot be asked what webhooks missed, nor who is licensed",
            "set email and api_token_file of the site; for a service account docs/reconcile.md has the settings",
        )
        return
    try:
        async with connected(name, site, settings.reconcile, _limits(settings)) as jira:
            myself = await jira.read(Myself, MYSELF)
            async for finding in access_findings(name, jira, myself):
                yield finding
            yield await zone_finding(settings, name, myself)
            async for finding in webhook_findings(settings, name, jira):
                yield finding
            async for finding in seat_findings(settings, name, jira):
                yield finding
            for finding in await _looked_at(f"{name}: identity of changes", _identity(settings, name, jira)):
                yield finding
    except RollcallError as error:
        yield Finding(f"{name}: Jira", False, str(error), _MEND_FIRST)


async def _identity(settings: Settings, name: str, jira: JiraClient) -> list[Finding]:
    return [await identity_finding(settings, name, jira)]
