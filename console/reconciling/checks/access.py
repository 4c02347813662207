"""What the API token lets Rollcall see, and how Jira's clock and zone stand to ours."""

from collections.abc import AsyncIterator
from zoneinfo import ZoneInfo

from console.checks.finding import Finding
from reconcile.client.endpoints import MY_PERMISSIONS, PROJECTS, SERVER_INFO
from reconcile.client.jira import JiraClient
from reconcile.shapes.products import ProjectPage
from reconcile.shapes.site import Myself, Permissions, ServerInfo
from rollcall.clock import now_ms
from rollcall.jira_time import parse_jira_time

_NEEDED = {
    "ADMINISTER": ("Administer Jira", "licenses, seats, group members and webhooks cannot be read without it"),
    "USER_PICKER": ("Browse users and groups", "the list of users cannot be read without it"),
    "BROWSE_PROJECTS": ("Browse projects", "nothing that people did can be read without it"),
}
_CLOCKS_MS = 60_000


async def access_findings(name: str, jira: JiraClient, myself: Myself) -> AsyncIterator[Finding]:
    """Look at token, permissions, projects, clock and time zone of a site. Raises JiraError."""
    kind = myself.account_type or "unknown"
    yield Finding(
        f"{name}: API token",
        True,
        f"works (account type {kind}). When it expires cannot be asked: tokens live a year at most, so note the date "
        "shown at id.atlassian.com; an expired one looks like 401",
    )
    for finding in await _permissions(name, jira):
        yield finding
    yield await _projects(name, jira)
    yield await _clock(name, jira)
    yield _zone(name, myself)


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


async def _projects(name: str, jira: JiraClient) -> Finding:
    page = await jira.read(ProjectPage, PROJECTS, query={"startAt": 0, "maxResults": 1})
    total = page.total if page.total is not None else page.size
    if not total:
        return Finding(
            f"{name}: projects", False, "the account sees none", "give it Browse projects on all that is to be tracked"
        )
    return Finding(
        f"{name}: projects",
        True,
        f"the account sees {total}; compare with Jira's own number, hidden projects and issues are simply missing",
    )


async def _clock(name: str, jira: JiraClient) -> Finding:
    before = now_ms()
    info = await jira.read(ServerInfo, SERVER_INFO)
    ours = (before + now_ms()) // 2
    try:
        ahead = parse_jira_time(info.server_time) - ours
    except ValueError:
        return Finding(f"{name}: clock", True, "Jira does not tell its time")
    shown = f"{abs(ahead) / 1000:.1f} s {'behind' if ahead > 0 else 'ahead of'} Jira's"
    if abs(ahead) > _CLOCKS_MS:
        return Finding(f"{name}: clock", False, f"ours is {shown}", "set this machine's clock; run an NTP service")
    return Finding(f"{name}: clock", True, f"ours is {shown}")


def _zone(name: str, myself: Myself) -> Finding:
    if not myself.time_zone:
        return Finding(f"{name}: time zone", True, "the account tells none; windows are asked for relative to now")
    try:
        ZoneInfo(myself.time_zone)
    except (KeyError, ValueError, OSError):
        return Finding(
            f"{name}: time zone",
            False,
            f"Jira reads times of queries in {myself.time_zone}, which this machine does not know",
            "install the tzdata package, or set the account's profile to UTC",
        )
    return Finding(f"{name}: time zone", True, f"Jira reads times of queries in {myself.time_zone}; they are converted")
