"""A made-up company for the page: 130 people and 30 days, another of people with hostile names, and one still empty."""

import random
from typing import Any

from consumers.writers import DirectoryWriter
from rollcall.clock import now_ms
from rollcall.eventlog import Entry, EventLog
from rollcall.records import Activity, License, Seats, SnapshotComplete, User, encode
from rollcall.settings import Settings
from rollcall.warehouse import Warehouse

from ..facts import Refreshing, entries, fact
from .serving import site

SITES = {"acme": site("acme"), "borealis": site("borealis", "Asia/Tokyo"), "cumulus": site("cumulus", "UTC")}

DAY_MS = 86_400_000
_TOKYO_MS = 9 * 3_600_000
PEOPLE = 130
UNSEEN = 23
"""The last of the people never do anything."""

_FIRST = (
    "Ada", "Bela", "Chidi", "Dana", "Elif", "Farid", "Greta", "Hana", "Ines", "Jonas", "Kofi", "Lena", "Mira", "Noor",
    "Otto", "Priya", "Quinn", "Rosa", "Sami", "Tove", "Uma", "Vito", "Wanda", "Xenia", "Yuki", "Zoe",
)  # fmt: skip
_LAST = ("Alder", "Birch", "Cedar", "Elm", "Hazel", "Juniper", "Larch", "Maple", "Oak", "Rowan", "Spruce", "Willow")

HOSTILE = {
    "markup": "<script>document.title='owned'</script><img src=x onerror=document.title='owned'>",
    "attribute": '" onmouseover="document.title=\'owned\'" x="',
    "long": "Long" * 2500,
    "words": "very " * 2000,
    "turned": "\u202egnp.exe\u202c evil",
    "isolate": "\u2067\u2067\u2067never closed",
    "hebrew": "דנה ברק",
    "control": "a\x00b\x07c\x1b[31md\ne\x7ff\x85g",
    "marks": "Z" + "\u0301\u0302\u0348" * 60 + "algo",
    "formula": '=HYPERLINK("http://evil.example","x")',
    "template": "{{ 7 * 7 }}{% raw %}",
    "entity": "&lt;b&gt;&amp;",
    "emoji": "👩\u200d👩\u200d👧 Family",
    "wide": "﷽" * 40,
}


async def seed(settings: Settings, warehouse: Warehouse, _: EventLog) -> None:
    """Write the companies as the consumers would."""
    now = now_ms()
    await Refreshing(warehouse, sites=settings.sites).write(entries([*_acme(now), *_borealis(now)]))
    directory = [*_listed("acme", now, _acme_users()), *_listed("borealis", now, list(_borealis_users()))]
    await Refreshing(warehouse, DirectoryWriter).write(
        [Entry(encode(row), 0, n, f"rollcall.directory/0@{n}") for n, row in enumerate(directory)]
    )


def account(number: int) -> str:
    return f"5b10a2844c20165700ed{number:04}"


def _acme(now: int) -> list[Activity]:
    chance = random.Random(7)
    facts: list[Activity] = []
    for number in range(PEOPLE - UNSEEN):
        zeal = chance.random() ** 2
        oldest = 44 if number % 9 == 0 else 29
        for before in range(oldest + 1):
            weekend = before % 7 in (1, 2)
            if number % 9 == 0 and before < 31:
                continue  # active once, but not in these 30 days
            if chance.random() > (0.12 if weekend else 0.85) * (0.2 + zeal):
                continue
            for _ in range(1 + int(chance.random() * 4 * zeal)):
                kind = chance.choices(("comment", "history", "worklog"), (4, 6, 2))[0]
                at = now - before * DAY_MS - int(chance.random() * 7_200_000) - 60_000
                facts.append(fact(f"{kind}:{len(facts)}", at, account_id=account(number)))
    facts += [fact(f"history:9{n:05}", now - n * 3_600_000, account_id="app", account_type="app") for n in range(50)]
    facts.append(fact("comment:999999", now - 5000, account_id="buyer", account_type="customer"))
    return facts


def _acme_users() -> list[dict[str, Any]]:
    users: list[dict[str, Any]] = []
    for number in range(PEOPLE):
        first, last = _FIRST[number % len(_FIRST)], _LAST[number * 5 % len(_LAST)]
        email = None if number % 4 == 1 else f"{first}.{last}{number}@acme.example".lower()
        users.append(
            {
                "account_id": account(number),
                "display_name": f"{first} {last}",
                "email": email,
                "active": number % 16 != 0,
                "licenses": ("jira-software", "jira-servicedesk")[: number % 3],
            }
        )
    users.append({"account_id": "app", "display_name": "Robot", "account_type": "app"})
    return users


def _borealis(now: int) -> list[Activity]:
    midnight = (now + _TOKYO_MS) // DAY_MS * DAY_MS - _TOKYO_MS
    return [
        fact(f"comment:{n}", midnight - n * DAY_MS, account_id=name, site="borealis") for n, name in enumerate(HOSTILE)
    ]


def _borealis_users() -> Any:
    for key, name in HOSTILE.items():
        yield {"account_id": key, "display_name": name, "email": name, "licenses": (name[:1000],)}


def _listed(name: str, now: int, users: list[dict[str, Any]]) -> list[Any]:
    base: dict[str, Any] = {"site": name, "snapshot_id": now - 3_600_000}
    rows: list[Any] = []
    for user in users:
        licenses = user.pop("licenses", ())
        rows.append(User(**base, **{"account_type": "atlassian", **user}))
        rows += [License(**base, product=product, account_id=user["account_id"]) for product in licenses]
    counted: dict[str, Any] = {"users": len(users), "licenses": len(rows) - len(users), "roles": 0, "seats": 1}
    rows.append(Seats(**base, product="jira-software", total=150, used=PEOPLE))
    rows.append(SnapshotComplete(**base, **counted, completed_at=now - 3_500_000))
    return rows
