"""Changes of an issue's fields: what the changelog says, and the issue afterwards.

Items follow captures from Jira Cloud: ``fieldId`` is missing for Link and IssueParentAssociation, custom fields
carry ``customfield_…``, accounts stand in ``from`` and ``to`` (here as ``@<index>``).
"""

import random
from collections.abc import Callable

from msgspec.structs import replace

from simulator.company.project import Project
from simulator.life import field_values
from simulator.life.act import Issue, Item
from simulator.life.birth import number_of
from simulator.life.field_values import labels

Change = tuple[str, tuple[Item, ...], Issue]
"""issue_event_type_name, changelog items, the issue afterwards."""

ChangeFunction = Callable[[Issue, random.Random, tuple[Project, ...]], Change]


def transition(issue: Issue, rng: random.Random, _projects: tuple[Project, ...]) -> Change:
    """Move the issue to another status; reaching Done sets the resolution, leaving it clears it."""
    target = (issue.status + 1 + int(rng.random() * 1.3)) % len(field_values.STATUSES)
    old, new = field_values.STATUSES[issue.status], field_values.STATUSES[target]
    items: list[Item] = [("status", "status", "jira", old[0], old[1], new[0], new[1])]
    if target == field_values.DONE:
        items.insert(0, ("resolution", "resolution", "jira", None, None, "10000", "Done"))
    elif issue.status == field_values.DONE:
        items.insert(0, ("resolution", "resolution", "jira", "10000", "Done", None, None))
    return "issue_generic", tuple(items), replace(issue, status=target)


def assign(issue: Issue, rng: random.Random, projects: tuple[Project, ...]) -> Change:
    """Give the issue to another member of the team, or at times to nobody."""
    target = -1 if issue.assignee >= 0 and rng.random() < 0.1 else projects[issue.project].pick(rng)
    if target == issue.assignee:
        target = -1
    if target == issue.assignee:
        return prioritize(issue, rng, projects)
    old, new = _account(issue.assignee), _account(target)
    items: tuple[Item, ...] = (("assignee", "assignee", "jira", old, old, new, new),)
    return "issue_assigned", items, replace(issue, assignee=target)


def prioritize(issue: Issue, rng: random.Random, _projects: tuple[Project, ...]) -> Change:
    """Set another priority."""
    target = (issue.priority + 1 + int(rng.random() * 4)) % len(field_values.PRIORITIES)
    old, new = field_values.PRIORITIES[issue.priority], field_values.PRIORITIES[target]
    return "issue_updated", (("priority", "priority", "jira", *old, *new),), replace(issue, priority=target)


def rewrite(issue: Issue, rng: random.Random, _projects: tuple[Project, ...]) -> Change:
    """Write a new summary, often a new description with it."""
    old, new = (
        field_values.words(issue.number + issue.summary, 5),
        field_values.words(issue.number + issue.summary + 1, 5),
    )
    items: list[Item] = [("summary", "summary", "jira", None, old, None, new)]
    if rng.random() < 0.5:
        items.append(("description", "description", "jira", None, old + " " + old, None, new + " " + new))
    return "issue_updated", tuple(items), replace(issue, summary=issue.summary + 1)


def label(issue: Issue, rng: random.Random, _projects: tuple[Project, ...]) -> Change:
    """Add or drop a label."""
    bit = 1 << int(rng.random() * len(field_values.LABELS))
    after = issue.labels ^ bit
    items: tuple[Item, ...] = (("labels", "labels", "jira", None, labels(issue.labels), None, labels(after)),)
    return "issue_updated", items, replace(issue, labels=after)


def plan(issue: Issue, rng: random.Random, _projects: tuple[Project, ...]) -> Change:
    """Change a version, a component, the sprint, points or dates: fields that the payload spells in many ways."""
    version, component = rng.choice(field_values.VERSIONS), rng.choice(field_values.COMPONENTS)
    date = f"2026-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}"
    choices: tuple[tuple[Item, ...], ...] = (
        (("Fix Version", "fixVersions", "jira", None, None, *version),),
        (("Component", "components", "jira", None, None, *component),),
        (("duedate", "duedate", "jira", None, None, date, date + " 00:00:00.0"),),
        (("Story Points", "customfield_10016", "custom", None, None, None, str(rng.randint(1, 13))),),
        (
            ("Start date", "customfield_10015", "custom", None, None, date, date),
            ("timeoriginalestimate", "timeoriginalestimate", "jira", None, None, "7200", "7200"),
        ),
        (("Rank", "customfield_10019", "custom", "", "", "", "Ranked higher"),),
    )
    if rng.random() < 0.2:
        old, new = str(issue.sprint or ""), str(issue.sprint + 1)
        named = f"Team Sprint {old}" if old else ""
        item: Item = ("Sprint", "customfield_10020", "custom", old, named, new, f"Team Sprint {new}")
        return "issue_updated", (item,), replace(issue, sprint=issue.sprint + 1)
    return "issue_updated", rng.choice(choices), issue


def link(issue: Issue, rng: random.Random, projects: tuple[Project, ...]) -> Change:
    """Link to another issue or set the parent; neither item has a fieldId."""
    other = issue.id + 1 + int(rng.random() * 50)
    key = f"{projects[issue.project].key}-{number_of(other)}"
    if rng.random() < 0.3:
        return "issue_updated", (("IssueParentAssociation", None, "jira", None, None, str(other), key),), issue
    return "issue_updated", (("Link", None, "jira", None, None, key, f"This issue relates to {key}"),), issue


def attach(issue: Issue, _rng: random.Random, _projects: tuple[Project, ...]) -> Change:
    """Attach a file, or remove one."""
    if issue.attachments > 2:
        number = str(issue.id * 16 + issue.attachments)
        items: tuple[Item, ...] = (("Attachment", "attachment", "jira", number, "screenshot.png", None, None),)
        return "issue_updated", items, replace(issue, attachments=issue.attachments - 1)
    number = str(issue.id * 16 + issue.attachments + 1)
    items = (("Attachment", "attachment", "jira", None, None, number, "screenshot.png"),)
    return "issue_updated", items, replace(issue, attachments=issue.attachments + 1)


def move(issue: Issue, rng: random.Random, projects: tuple[Project, ...]) -> Change:
    """Move to another project: the key changes, the id stays."""
    target = projects[(issue.project + 1 + int(rng.random() * (len(projects) - 1))) % len(projects)]
    source = projects[issue.project]
    if target is source:
        return label(issue, rng, projects)
    number = issue.number
    items: tuple[Item, ...] = (
        ("project", "project", "jira", str(source.id), source.key, str(target.id), target.key),
        ("Key", None, "jira", None, f"{source.key}-{number}", None, f"{target.key}-{number}"),
    )
    return "issue_moved", items, replace(issue, project=target.index)


CHANGES: tuple[ChangeFunction, ...] = (transition, assign, prioritize, rewrite, label, plan, link, attach, move)
CHANCES = (0.38, 0.56, 0.62, 0.72, 0.79, 0.91, 0.95, 0.992, 1.0)
"""How often each is drawn, as a running sum."""


def _account(index: int) -> str | None:
    return f"@{index}" if index >= 0 else None
