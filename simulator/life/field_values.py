"""Values of Jira's fields on this site: types, statuses, priorities, labels; and field names in other languages."""

from functools import lru_cache

ISSUE_TYPES = (("10001", "Story"), ("10002", "Task"), ("10004", "Bug"), ("10000", "Epic"), ("10010", "Service request"))
STATUSES = (
    ("10001", "To Do", 2, "new", "blue-gray"),
    ("3", "In Progress", 4, "indeterminate", "yellow"),
    ("10004", "In Review", 4, "indeterminate", "yellow"),
    ("10002", "Done", 3, "done", "green"),
)
DONE = 3
PRIORITIES = (("1", "Highest"), ("2", "High"), ("3", "Medium"), ("4", "Low"), ("5", "Lowest"))
LABELS = ("backend", "frontend", "customer", "later", "quick-win", "security")
VERSIONS = (("10100", "v1.0"), ("10101", "v1.1"), ("10102", "v2.0"))
COMPONENTS = (("10200", "Import"), ("10201", "Web"), ("10202", "Billing"))

LOCALIZED = {
    "status": "Статус",
    "assignee": "Bearbeiter",
    "summary": "概要",
    "description": "Beschreibung",
    "priority": "Priorität",
    "labels": "Étiquettes",
    "duedate": "期限",
    "Attachment": "Anhang",
}
"""Jira Cloud writes ``field`` in the language of the site or the actor; ``fieldId`` stays."""

_WORDS = (  # noqa: SIM905 - a list would take a line for each
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et "
    "dolore magna aliqua ändern größer naïve déjà 示例 文本"
).split()


@lru_cache(maxsize=8_192)
def words(seed: int, count: int) -> str:
    """Return filler prose of this many words; equal seeds give equal prose."""
    size = len(_WORDS)
    return " ".join(_WORDS[(seed * 7 + turn * (seed % 11 + 1)) % size] for turn in range(count))


def labels(bits: int) -> str:
    """Return the labels of this bit set as Jira writes them: parted by spaces."""
    return " ".join(name for place, name in enumerate(LABELS) if bits >> place & 1)
