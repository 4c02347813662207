"""An issue as REST shows it at a moment: what its story comes to until then."""

from collections.abc import Callable, Iterable

import msgspec

from simulator.life.act import Act, Entry, Issue


class Snapshot(msgspec.Struct, frozen=True):
    """An issue with its live comments and worklogs (oldest first) and its changelog (oldest first)."""

    issue: Issue
    comments: list[Entry]
    worklogs: list[Entry]
    histories: list[Act]


def snapshot(acts: Iterable[Act], now: int, gone: Callable[[int], bool] = lambda _id: False) -> Snapshot | None:
    """Return the issue at ``now`` (epoch ms); None before its creation and after its deletion.

    Args:
        acts: The issue's story.
        now: The moment.
        gone: Tells of comments and worklogs that are missing for another reason.
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
            kept = comments if act.kind.startswith("comment") else worklogs
            if act.kind.endswith("_deleted"):
                kept.pop(act.entry.id, None)
            else:
                kept[act.entry.id] = act.entry
        # The changelog of a creation exists in its webhook only.
        if act.history and act.kind != "issue_created" and act.history_at <= now:
            histories.append(act)
    if issue is None:
        return None
    live = [[entry for entry in kept.values() if not gone(entry.id)] for kept in (comments, worklogs)]
    return Snapshot(issue, live[0], live[1], histories)
