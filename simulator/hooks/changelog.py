"""Changelog items as Jira writes them."""

from typing import Any

from simulator.company.person import Person
from simulator.life.act import Item


def item_json(item: Item, people: tuple[Person, ...], *, historic: bool = False) -> dict[str, Any]:
    """Write one item; accounts get their id and name.

    ``historic`` adds the tmp…AccountId keys that webhooks and old answers still carry for accounts.
    """
    field, field_id, kind, old, old_text, new, new_text = item
    written: dict[str, Any] = {"field": field, "fieldtype": kind}
    if field_id is not None:
        written["fieldId"] = field_id
    written |= {
        "from": _account(old, people),
        "fromString": _name(old_text, people),
        "to": _account(new, people),
        "toString": _name(new_text, people),
    }
    if historic and field_id == "assignee":
        written |= {"tmpFromAccountId": written["from"], "tmpToAccountId": written["to"]}
    return written


def _account(value: str | None, people: tuple[Person, ...]) -> str | None:
    return people[int(value[1:])].account_id if value and value[0] == "@" else value


def _name(value: str | None, people: tuple[Person, ...]) -> str | None:
    return people[int(value[1:])].name if value and value[0] == "@" else value
