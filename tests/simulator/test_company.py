"""The company: who is in it, when they work, and that all of it follows from the seed."""

import re
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import SiteConfig
from simulator.clock import jira_time
from simulator.company.directory import PRODUCTS, Directory
from simulator.company.person import (
    AUTOMATION_ID,
    CALLER,
    HOSTILE_NAMES,
    is_weekend,
    local_midnight,
    roster,
    working_hours,
    works,
)
from simulator.company.project import projects
from simulator.config import DAY_MS
from simulator.life.truth import day_of, truth, user_days

from .conftest import NOW
from .walk import ms

BIG = SiteConfig(seed=4, people=1_000, now_ms=NOW, hostile_names=len(HOSTILE_NAMES))


def test_every_kind_of_account_is_there() -> None:
    people = roster(BIG)
    kinds = Counter(person.account_type for person in people)
    assert kinds == {"atlassian": 1_000, "app": 5, "customer": 100}
    assert len({person.account_id for person in people}) == len(people)
    ids = [person.account_id for person in people if person.account_type == "atlassian"]
    hexadecimal = sum(bool(re.fullmatch("[0-9a-f]{24}", one)) for one in ids)
    numbered = sum(bool(re.fullmatch(r"\d+:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", one)) for one in ids)
    assert hexadecimal > 300
    assert hexadecimal + numbered == 1_000
    assert people[1_000].account_id == AUTOMATION_ID
    assert any(person.email_hidden for person in people)
    assert any(person.erased for person in people)
    assert any(person.left_day * DAY_MS < NOW and not person.erased for person in people)
    assert len({person.zone for person in people if person.account_type == "atlassian" and person.index}) == 7
    assert {person.name for person in people} >= set(HOSTILE_NAMES)
    assert all(person.email.endswith((".example", "@example.com")) for person in people)


def test_readers_hold_licenses_and_leave_no_trace(config: SiteConfig) -> None:
    people = roster(config)
    readers = {person.account_id for person in people if person.account_type == "atlassian" and not person.energy}
    holders = {
        person.account_id for product in PRODUCTS for person in Directory(config).holders(product, config.now_ms)
    }
    active = {account for _, account in user_days(config, truth(config, since=0))}
    assert len(readers & holders) > 1
    assert not readers & active
    assert people[CALLER].account_id in readers


def test_nobody_acts_after_leaving() -> None:
    config = SiteConfig(seed=8, people=60, days=20, now_ms=NOW)
    leavers = {person.account_id: person for person in roster(config) if person.left_day * DAY_MS < NOW}
    assert leavers
    directory = Directory(config)
    for person in leavers.values():
        assert not directory.active(person, NOW)
        assert directory.erased(person, NOW) == person.erased
    for fact in truth(config, since=0):
        if fact.account_id in leavers:
            person = leavers[fact.account_id]
            assert fact.webhook_at is not None
            # A story goes on in steps of 200 ms and a night shift ends on the next day.
            assert fact.webhook_at < local_midnight(person.zone, person.left_day) + DAY_MS


@given(st.integers(0, 999), st.integers(20_000, 21_000))
@settings(deadline=None, max_examples=60)
def test_people_work_in_their_own_daytime(index: int, day: int) -> None:
    person = roster(BIG)[index]
    start, end = working_hours(person, day)
    assert end - start == int(person.hours * 3_600_000)
    assert day_of(person.zone, start) == day_of("UTC", day * DAY_MS)
    if works(BIG.seed, person, day):
        assert person.weekends or not is_weekend(day)


@given(st.sampled_from(["UTC", "Asia/Kolkata", "America/St_Johns", "Europe/Berlin"]), st.integers(0, 4_000_000_000_000))
@settings(deadline=None)
def test_times_are_written_as_jira_does(zone: str, at: int) -> None:
    text = jira_time(zone, at)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}", text)
    assert ms(text) == at


def test_projects_have_teams_and_every_type() -> None:
    found = projects(BIG)
    assert {project.type for project in found} == {"software", "service_desk", "business", "product_discovery"}
    assert len({project.key for project in found}) == len(found)
    people = roster(BIG)
    for project in found:
        assert len(project.team) >= 4
        assert all(people[index].energy > 0 for index in project.team)


def test_seats_count_active_people_once() -> None:
    directory = Directory(BIG)
    for product in PRODUCTS:
        holders = directory.holders(product, NOW)
        assert len({person.index for person in holders}) == len(holders) <= directory.seats(product, NOW)
        assert all(person.account_type == "atlassian" and directory.active(person, NOW) for person in holders)
    opening = [group for group in directory.groups.values() if "jira-software" in group.products]
    assert any(directory.people[index].account_id == AUTOMATION_ID for group in opening for index in group.members)
    assert not any(product in group.name for group in opening for product in PRODUCTS)


def test_the_directory_can_be_changed(config: SiteConfig) -> None:
    directory = Directory(config)
    moving = next(
        one for one in directory.holders("jira-software", NOW) if one not in directory.holders("jira-core", NOW)
    )
    administrators = {
        index for group in directory.groups.values() if group.access == "admin" for index in group.members
    }
    directory.move_license(moving.account_id, "jira-software", "jira-core")
    assert moving in directory.holders("jira-core", NOW)
    assert (moving in directory.holders("jira-software", NOW)) == (moving.index in administrators)
    directory.remove_user(moving.account_id)
    assert directory.find(moving.account_id) is None
    assert moving not in directory.listed()
    assert moving not in directory.holders("jira-core", NOW)
