"""The stream of acts: the same from the same seed, any stretch told again alike, in memory that does not grow."""

import tracemalloc
from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import SiteConfig
from simulator.company.person import roster, works
from simulator.config import DAY_MS
from simulator.hooks.delivery import Announcer
from simulator.life.act import Act
from simulator.life.birth import birth_of, issue_of
from simulator.life.lifecycle import lifecycle
from simulator.life.stream import acts

from .conftest import NOW

SMALL = SiteConfig(seed=21, people=25, days=6, now_ms=NOW)
LIVE = SiteConfig(seed=21, people=25, days=2, now_ms=NOW, live_start_ms=NOW, live_per_minute=60)


def told(config: SiteConfig, since: int | None = None, until: int | None = None) -> list[Act]:
    return list(acts(config, since, config.now_ms if until is None else until))


def test_equal_seeds_give_equal_bytes_and_others_do_not() -> None:
    def bodies(config: SiteConfig) -> list[bytes]:
        announcer = Announcer(config)
        return [one.body for act in told(config, config.start_ms) for one in announcer.deliveries(act)]

    again = SiteConfig(seed=21, people=25, days=6, now_ms=NOW)
    assert bodies(SMALL) == bodies(again)
    assert bodies(SMALL) != bodies(SiteConfig(seed=22, people=25, days=6, now_ms=NOW))


@given(st.integers(0, 6 * DAY_MS), st.integers(1, 3 * DAY_MS))
@settings(deadline=None, max_examples=5)
def test_any_stretch_can_be_told_again(begin: int, length: int) -> None:
    everything = told(SMALL)
    since = SMALL.start_ms + begin
    until = min(since + length, SMALL.now_ms)
    assert told(SMALL, since, until) == [act for act in everything if since <= act.at < until]


def test_acts_come_in_order_and_make_sense(config: SiteConfig) -> None:
    found = told(config)
    assert all(one.at <= other.at for one, other in pairwise(found))
    assert len({(act.issue.id, act.seq) for act in found}) == len(found)
    histories = [act.history for act in found if act.history]
    assert len(set(histories)) == len(histories)
    assert all(issue_of(number) == act.issue.id for act in found if (number := act.history))
    for act in found:
        if act.entry is not None:
            assert issue_of(act.entry.id) == act.issue.id


def test_an_issue_is_told_from_its_id_alone(config: SiteConfig) -> None:
    by_issue: dict[int, list[Act]] = {}
    for act in told(config):
        by_issue.setdefault(act.issue.id, []).append(act)
    for issue_id in [*list(by_issue)[::37], 10_000, 10_005, 10_010]:
        birth = birth_of(config, issue_id)
        assert birth is not None
        story = lifecycle(config, birth)
        assert [act for act in story if act.at < config.now_ms] == by_issue[issue_id]
    assert birth_of(config, 5) is None
    assert birth_of(config, 10_900) is None
    assert birth_of(config, 10**15) is None


def test_everything_that_can_happen_happens(config: SiteConfig) -> None:
    kinds = Counter(act.kind for act in told(config))
    assert set(kinds) == {
        "issue_created", "issue_changed", "issue_touched", "issue_deleted",
        "comment_created", "comment_edited", "comment_touched", "comment_deleted",
        "worklog_created", "worklog_edited", "worklog_touched", "worklog_deleted",
    }  # fmt: skip
    found = told(config)
    edits = [act for act in found if act.kind.endswith("_edited") and act.entry and act.actor != act.entry.author]
    deletions = [act for act in found if act.kind.endswith("_deleted") and act.entry and act.actor != act.entry.author]
    assert edits
    assert deletions
    assert any(act.bulk for act in found)
    assert any(act.event == "issue_moved" for act in found)
    kinds_of_actors = {roster(config)[act.actor].account_type for act in found}
    assert kinds_of_actors == {"atlassian", "app", "customer"}


def test_people_act_about_as_often_as_asked() -> None:
    config = SiteConfig(seed=2, people=100, days=14, now_ms=NOW, acts_per_day=18)
    people = roster(config)
    busy = [person for person in people if person.energy and person.account_type == "atlassian"]
    days = range(config.start_ms // DAY_MS, NOW // DAY_MS)
    presence = sum(works(config.seed, person, day) for person in busy for day in days)
    done = sum(people[act.actor].account_type == "atlassian" for act in told(config, config.start_ms))
    assert 14 < done / presence < 22


def test_live_acts_come_at_the_asked_pace_at_any_hour() -> None:
    night = told(LIVE, NOW, NOW + 3_600_000)
    live = [act for act in night if act.issue.id < 1_110_000]
    assert 30 * 60 < len(live) < 90 * 60
    assert told(LIVE, NOW, NOW + 3_600_000) == night


def test_memory_does_not_grow_with_the_length_of_the_stream() -> None:
    def peak(days: int) -> int:
        config = SiteConfig(seed=1, people=8, days=days, now_ms=NOW, customers=0, acts_per_day=8)
        announcer = Announcer(config)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for act in acts(config, config.start_ms, config.now_ms):
            for delivery in announcer.deliveries(act):
                assert delivery.body
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        peak(24)  # fills the caches, all of which are bounded
        assert peak(24) < 1.5 * peak(8)
    finally:
        tracemalloc.stop()
