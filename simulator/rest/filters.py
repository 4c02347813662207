"""The JQL filter of a webhook: which of the site's issues it is about.

Atlassian's webhook page: it filters events of issues, comments, worklogs and attachments, not of issue links.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from simulator.life.act import Issue
from simulator.rest.answer import JiraError
from simulator.rest.index import Row
from simulator.rest.jql import Names, parse
from simulator.rest.names import names_of
from simulator.rest.registry import Webhook
from simulator.rest.state import Site

SECTION = "issue-related-events-section"
_NOTHING = -1


def checked(site: Site, filters: Any) -> dict[str, str]:
    """Return the filters of a registration.

    Raises:
        JiraError: 400, they are not of the right form, or this site cannot follow them.
    """
    if not isinstance(filters, dict) or not all(isinstance(text, str) for text in filters.values()):
        raise JiraError(400, "The 'filters' of a webhook must map sections to JQL.")
    for section, jql in filters.items():
        if section != SECTION:
            raise JiraError(400, f"The filter section '{section}' does not exist.")
        if jql.strip():
            parse(jql, _names(site, site.clock.now()))
    return dict(filters)


def lets_through(site: Site, webhook: Webhook, event: str, issue: Issue, at: int) -> bool:
    """Tell whether a webhook wants an event about an issue as it stood ``at``, epoch ms."""
    jql = webhook.filters.get(SECTION, "").strip()
    if not jql or event.startswith("issuelink_"):
        return True
    row = Row(issue.id, issue.created, issue.updated, issue.project)
    return parse(jql, _names(site, at)).matches(row)


def _names(site: Site, at: int) -> Names:
    """Return names of which unknown ones stand for nothing: whether Jira refuses them in a filter is not known."""
    names = names_of(site, at)

    def known(resolve: Callable[[str], int | None]) -> Callable[[str], int]:
        return lambda text: _NOTHING if (found := resolve(text)) is None else found

    return replace(names, project=known(names.project), issue=known(names.issue))
