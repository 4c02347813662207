"""Whether a webhook's changelog id is REST's on this site, so that one change is one fact from both.

Atlassian nowhere promises it; captures make it likely. Here it is looked at.
"""

from collections import defaultdict

from console.checks.finding import Finding
from console.reading import open_for_reading
from reconcile.client.endpoints import CHANGELOGS_BY_ID
from reconcile.client.errors import NotThereError
from reconcile.client.jira import JiraClient
from reconcile.shapes.changelogs import HISTORY, HistoriesById
from reconcile.shapes.each import each
from rollcall.errors import RollcallError
from rollcall.identity import jira_id
from rollcall.settings import Settings

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
        JiraError: Jira could not be asked.
    """
    subject = f"{name}: identity of changes"
    recent = await _recent(settings, name)
    same = other = 0
    for issue, ids in list(recent.items())[:_ISSUES]:
        try:
            page = await jira.read(HistoriesById, CHANGELOGS_BY_ID, issue, body={"changelogIds": ids})
        except NotThereError:
            continue
        theirs = {jira_id(history.id) for history in each(HISTORY, page.histories, lambda: None)}
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
        warehouse = await open_for_reading(settings, "rollcall check")
    except RollcallError:
        return {}
    try:
        keys = [row["event_key"] for row in await warehouse.query(_RECENT, {"site": name})]
        issues = await warehouse.query(_ISSUES_OF, {"site": name, "keys": keys})
    except RollcallError:
        return {}
    finally:
        await warehouse.close()
    found: dict[int, list[int]] = defaultdict(list)
    for row in sorted(issues, key=lambda row: keys.index(row["event_key"])):
        found[row["issue"]].append(int(row["event_key"].removeprefix("history:")))
    return found
