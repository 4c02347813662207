"""Facts of changelog entries: the change itself, and deletions of comments and worklogs, whose deleter it names.

A ``*_deleted`` webhook names no actor. In REST the deletion writes an entry (Atlassian docs, captures): field Comment
or WorklogId with ``from`` set and ``to`` empty, by whoever deleted. Whether ``from`` holds a comment's id on every site
is not known; where it does not, the entry alone cannot tell which comment, see `Nameless`.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from reconcile.facts.maker import Maker, Place
from reconcile.shapes.changelogs import History, Item
from reconcile.shapes.people import Person
from rollcall import identity
from rollcall.changelog import changed_fields
from rollcall.records import Activity

_MOST_FIELDS = 1000
_ENTITIES: dict[str, identity.Entity] = {"comment": "comment", "worklogid": "worklog"}


class Nameless(NamedTuple):
    """A comment deletion that does not say which comment: on which issue, when, by whom."""

    place: Place
    at: int
    who: Person


@dataclass(slots=True)
class Told:
    """What an entry tells.

    Attributes:
        facts: Its facts.
        worklogs: Ids of worklogs it added or edited.
        deleted_worklogs: Ids of worklogs it deleted.
        nameless: Comment deletions without the comment's id.
    """

    facts: list[Activity] = field(default_factory=list)
    worklogs: list[int] = field(default_factory=list)
    deleted_worklogs: list[int] = field(default_factory=list)
    nameless: list[Nameless] = field(default_factory=list)


def told_by(maker: Maker, history: History, place: Place) -> Told:
    """Return what a changelog entry tells; nothing when it lies outside the window.

    Raises:
        ValueError: Its id or ``created`` is none.
    """
    told = Told()
    key = identity.history(identity.jira_id(history.id))
    at = maker.inside(history.created)
    if at is None:
        return told
    fields = changed_fields(history.items)[:_MOST_FIELDS]
    told.facts.append(maker.fact(key, "history", "updated", history.author, at, place, fields))
    for item in history.items:
        entity = _ENTITIES.get((item.fieldId or item.field or "").strip().lower())
        if entity and item.removes:
            _deletion(maker, told, entity, item, history.author, at, place)
        elif entity == "worklog" and (number := _number(item.new_id)):
            told.worklogs.append(number)
    return told


def _deletion(
    maker: Maker, told: Told, entity: identity.Entity, item: Item, who: Person | None, at: int, place: Place
) -> None:
    if number := _number(item.old_id):
        told.facts.append(maker.fact(identity.deleted(entity, number), entity, "deleted", who, at, place))
        if entity == "worklog":
            told.deleted_worklogs.append(number)
    elif entity == "comment" and who and who.known_id:
        told.nameless.append(Nameless(place, at, who))


def _number(text: str) -> int:
    """Read an id; 0 for none."""
    try:
        return identity.jira_id(text)
    except ValueError:
        return 0
