"""The accounts of the site: people, apps and portal customers, drawn from the seed, and the hours in which they work.

Nobody here exists: a name is a colour and a bird, and a number when the pairs run out. Working days and hours are those
of the person's own zone; days are epoch days.
"""

import functools
import math
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from simulator.chance import mix, share, uuid
from simulator.config import DAY_MS, SiteConfig

AccountType = Literal["atlassian", "app", "customer"]
NEVER = 1 << 62
"""A time or day that does not come."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """An account: a human, an app or a portal customer.

    Attributes:
        index: Position in the company; the internal name of the account.
        account_id: Jira's accountId, in one of the forms seen: 24 hex digits or ``<number>:<uuid>``.
        account_type: Jira's accountType.
        name: Display name while the account is alive.
        email: Address, at example.com.
        email_hidden: Whether the profile hides it, so that REST leaves it out.
        zone: IANA name of the zone the person lives in.
        start_hour: Hour of the local day at which work begins.
        hours: Length of the working day.
        energy: Share of the work relative to the mean of 1; 0 for those who only read.
        weekends: Whether the person works on some weekends.
        left_day: First epoch day without the person; NEVER while employed.
        erased: Whether the account was deleted after leaving: Jira shows ``Former user``.
    """

    index: int
    account_id: str
    account_type: AccountType
    name: str
    email: str
    email_hidden: bool
    zone: str
    start_hour: float
    hours: float
    energy: float
    weekends: bool = False
    left_day: int = NEVER
    erased: bool = False


_COLOURS = (  # noqa: SIM905 - a list would take a line for each
    "Amber Azure Beige Bronze Cerise Cobalt Copper Coral Cream Crimson Cyan Ebony Emerald Fawn Garnet "
    "Golden Hazel Indigo Ivory Jade Khaki Lilac Lime Magenta Maroon Mauve Mint Ochre Olive Onyx Opal "
    "Orchid Pearl Plum Rose Russet Saffron Scarlet Sepia Silver Slate Teal Topaz Umber Violet White"
).split()
_BIRDS = (  # noqa: SIM905 - a list would take a line for each
    "Avocet Bittern Bunting Buzzard Chough Condor Coot Cormorant Crake Crane Curlew Dipper Dotterel "
    "Dunlin Egret Eider Falcon Fieldfare Finch Fulmar Gannet Godwit Goshawk Grebe Grouse Harrier Heron "
    "Hoopoe Ibis Jackdaw Jay Kestrel Kingfisher Kite Knot Lapwing Linnet Magpie Merlin Nightjar Nuthatch "
    "Oriole Osprey Ouzel Partridge Petrel Pipit Plover Puffin Quail Rail Raven Redstart Robin Rook Ruff "
    "Sanderling Serin Shrike Siskin Skua Snipe Starling Stilt Stork Swallow Swift Teal Tern Thrush "
    "Turnstone Wagtail Warbler Waxwing Wheatear Whimbrel Wigeon Wren Wryneck"
).split()

HOSTILE_NAMES = (
    "<script>document.title='owned'</script>",
    "\u202eeman sdrawkcab",
    "=cmd|' /C calc'!A0",
    "N" * 10_000,
    '"><img src=x onerror=alert(1)>',
    "\u05d0\u05d1\u05d2\u05d3 \u0627\u0628\u062a\u062b",
    "@SUM(1+1)*cmd",
    "Robert'); DROP TABLE activity;--",
    "nul\u0000tab\tline\nbreak",
    "\U0001f600\U0001f469\u200d\U0001f680 zalgo\u0336\u0322",
)
"""Names that break pages, terminals and spreadsheets which do not escape what they print."""


def person_name(number: int) -> str:
    """Return the display name of the person of this number, the same for ever and different from all others."""
    pairs = len(_COLOURS) * len(_BIRDS)
    scattered = number * 1_009 % pairs
    name = f"{_COLOURS[scattered % len(_COLOURS)]} {_BIRDS[scattered // len(_COLOURS)]}"
    return name if number < pairs else f"{name} {number // pairs + 1}"


AUTOMATION_ID = "557058:f58131cb-b67d-43c7-b30d-6b58d40bd077"
"""Account of Automation for Jira: the same on every site, a product and no person."""

CALLER = 0
"""Index of the service account whose token calls REST; it administers, reads and leaves no trace."""

_ZONES = (
    ("Europe/Berlin", 0.30),
    ("America/New_York", 0.20),
    ("Asia/Kolkata", 0.16),
    ("America/Los_Angeles", 0.14),
    ("Europe/London", 0.10),
    ("Australia/Sydney", 0.06),
    ("Pacific/Auckland", 0.04),
)


@functools.lru_cache(maxsize=4)
def roster(config: SiteConfig) -> tuple[Person, ...]:
    """Return every account of the site by index: people first, then apps, then customers."""
    customers = config.people // 10 if config.customers is None else config.customers
    people = [_human(config, index) for index in range(config.people)]
    apps = [_app(config, config.people + number) for number in range(config.apps + 1)]
    guests = [_customer(config, config.people + len(apps) + number) for number in range(customers)]
    return (*people, *apps, *guests)


def automation(config: SiteConfig) -> int:
    """Return the index of Automation for Jira."""
    return config.people


def account_id(seed: int, index: int) -> str:
    """Return an accountId in one of the forms Jira Cloud uses."""
    draw = share(seed, index, 11)
    if draw < 0.5:
        return f"{mix(seed, index, 12):016x}{mix(seed, index, 13):016x}"[:24]
    return f"{'557058' if draw < 0.7 else '712020'}:{uuid(seed, index, 14)}"


def _human(config: SiteConfig, index: int) -> Person:
    seed = config.seed
    caller = index == CALLER
    hostile = 0 < index <= min(config.hostile_names, len(HOSTILE_NAMES))
    reader = caller or (share(seed, index, 1) < config.reader_share and not hostile)
    early, late = config.start_ms // DAY_MS, config.now_ms // DAY_MS
    left = share(seed, index, 2) < 0.04 and not caller and not hostile and index > 6
    left_day = early + int(share(seed, index, 3) * (late - early)) if left else NEVER
    # Lognormal around a mean of 1: a few do a lot, many do some.
    energy = math.exp(0.6 * _bell(seed, index) - 0.18)
    night = share(seed, index, 4) < 0.03
    return Person(
        index=index,
        account_id=account_id(seed, index),
        account_type="atlassian",
        name="Rollcall service" if caller else HOSTILE_NAMES[index - 1] if hostile else person_name(index),
        email="svc@acme.example" if caller else f"person-{index}@example.com",
        email_hidden=share(seed, index, 5) < 0.3 and not caller,
        zone=config.caller_zone if caller else _zone(share(seed, index, 6)),
        start_hour=21.0 if night else 7.5 + 2.5 * share(seed, index, 7),
        hours=7.5 + 1.5 * share(seed, index, 8),
        energy=0.0 if reader else min(energy, 4.0),
        weekends=share(seed, index, 9) < 0.06,
        left_day=left_day,
        erased=left and share(seed, index, 10) < 0.4,
    )


def _app(config: SiteConfig, index: int) -> Person:
    first = index == config.people
    number = index - config.people
    return Person(
        index=index,
        account_id=AUTOMATION_ID if first else f"557058:{uuid(config.seed, index, 15)}",
        account_type="app",
        name="Automation for Jira" if first else f"App {number}",
        email=f"app-{number}@example.com",
        email_hidden=True,
        zone="UTC",
        start_hour=0.0,
        hours=24.0,
        energy=0.0 if first else 0.5,
        weekends=True,
    )


def _customer(config: SiteConfig, index: int) -> Person:
    return Person(
        index=index,
        account_id=f"qm:{uuid(config.seed, index, 16)}:{uuid(config.seed, index, 17)}",
        account_type="customer",
        name=f"Customer {index}",
        email=f"customer-{index}@example.com",
        email_hidden=share(config.seed, index, 5) < 0.5,
        zone=_zone(share(config.seed, index, 6)),
        start_hour=8.0,
        hours=12.0,
        energy=0.1,
    )


def _zone(draw: float) -> str:
    for zone, weight in _ZONES:
        draw -= weight
        if draw < 0:
            return zone
    return _ZONES[0][0]


def _bell(seed: int, index: int) -> float:
    """Draw from a standard normal: twelve uniforms less six."""
    return sum(share(seed, index, 100 + turn) for turn in range(12)) - 6.0


HOUR_MS = 3_600_000


def is_weekend(day: int) -> bool:
    """Return whether this epoch day is a Saturday or Sunday (day 0 was a Thursday)."""
    return (day + 3) % 7 >= 5


def works(seed: int, person: Person, day: int) -> bool:
    """Return whether the person works on this local day: weekends, days off, weeks off and leaving considered."""
    if day >= person.left_day:
        return False
    if person.account_type == "app":
        return True
    if is_weekend(day) and not (person.weekends and share(seed, person.index, day, 21) < 0.5):
        return False
    if share(seed, person.index, day, 22) < 0.05:
        return False
    return share(seed, person.index, day // 7, 23) >= 0.05


def working_hours(person: Person, day: int) -> tuple[int, int]:
    """Return start and end of the person's working hours on this local day, epoch ms.

    A night shift ends on the next day.
    """
    start = local_midnight(person.zone, day) + int(person.start_hour * HOUR_MS)
    return start, start + int(person.hours * HOUR_MS)


@functools.lru_cache(maxsize=8192)
def local_midnight(zone: str, day: int) -> int:
    """Return the epoch ms at which this day begins in the zone (by the offset that holds at noon)."""
    noon = datetime.fromtimestamp(day * 86_400 + 43_200, UTC).replace(tzinfo=ZoneInfo(zone))
    offset = noon.utcoffset()
    return day * DAY_MS - (int(offset.total_seconds()) * 1000 if offset else 0)
