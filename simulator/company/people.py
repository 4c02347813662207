"""Who is in the company: people, apps and portal customers, drawn from the seed."""

import functools
import math

from simulator.chance import mix, share, uuid
from simulator.company.names import HOSTILE, person_name
from simulator.company.person import NEVER, Person
from simulator.config import DAY_MS, SiteConfig

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
    hostile = 0 < index <= min(config.hostile_names, len(HOSTILE))
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
        name="Rollcall service" if caller else HOSTILE[index - 1] if hostile else person_name(index),
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
