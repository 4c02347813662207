"""Attachments and links of an issue, read from its changelog: they make no facts, but their deletions name them."""

from collections.abc import Iterator
from typing import Literal

from simulator.life.act import Act, Entry
from simulator.life.numbering import FIRST


class Attached:
    """What hangs on one issue while its story is told."""

    __slots__ = ("_files", "_links")

    def __init__(self) -> None:
        """Begin without anything."""
        self._files: dict[int, Entry] = {}
        self._links: list[Entry] = []

    def follow(self, act: Act) -> tuple[tuple[Literal["attachment"], Entry], ...]:
        """Take in a change of the issue; returns the attachments that it removes, as they were made."""
        gone = [self._files.pop(int(item[3])) for item in act.items if item[1] == "attachment" and item[3]]
        self._files |= {entry.id: entry for entry in attachments(act)}
        self._links += links(act)
        return tuple(("attachment", entry) for entry in gone)

    def everything(self) -> Iterator[tuple[Literal["attachment", "issuelink"], Entry]]:
        """Yield what is there."""
        for entry in self._files.values():
            yield "attachment", entry
        for entry in self._links:
            yield "issuelink", entry


def attachments(act: Act) -> Iterator[Entry]:
    """Yield the attachments that an act makes."""
    for _field, field_id, _kind, _old, _old_text, new, _text in act.items:
        if field_id == "attachment" and new:
            yield Entry(int(new), act.actor, act.actor, act.at, act.at, 0)


def links(act: Act) -> Iterator[Entry]:
    """Yield the links that an act makes: the other issue is the one whose key the changelog names."""
    for field, _id, _kind, _old, _old_text, new, _text in act.items:
        if field == "Link" and new:
            other = int(new.rpartition("-")[2]) + FIRST - 1
            yield Entry(act.history, act.actor, act.actor, act.at, act.at, other)
