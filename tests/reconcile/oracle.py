"""The simulator's truth, as what a reconcile has to find: whole sets of keys, never counts."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from reconcile.state.window import Window
from rollcall.records import Activity
from simulator.config import SiteConfig
from simulator.life.truth import Truth, truth
from simulator.rest.site import Site


def told(site: Site) -> dict[str, Truth]:
    """Every fact that ever happened on the site, by key."""
    return _told(site.config, site.clock.now())


@lru_cache(maxsize=4)
def _told(config: SiteConfig, now: int) -> dict[str, Truth]:
    return {one.event_key: one for one in truth(config, until=max(now, config.now_ms), now=now)}


def known_to_rest(site: Site, window: Window, gone: Iterable[int] = ()) -> dict[str, Truth]:
    """The facts that REST knows and that lie in the window; none of issues that are gone."""
    lost = set(gone)
    return {
        key: one
        for key, one in told(site).items()
        if one.rest_at is not None and window.holds(one.rest_at) and one.issue_id not in lost
    }


def assert_equal(found: Mapping[str, Activity], site: Site, window: Window, gone: Iterable[int] = ()) -> None:
    """Assert that the facts found are the truth: no key lost, none invented, right actor, time and place."""
    wanted, everything = known_to_rest(site, window, gone), told(site)
    assert wanted.keys() - found.keys() == set()
    extra = [found[key] for key in found.keys() - wanted.keys()]
    # The feed of deleted worklogs outlives its issues: such deletions did happen, and nobody is credited.
    for fact in extra:
        assert (fact.family, fact.action, fact.account_id) == ("worklog", "deleted", "")
        assert fact.event_key in everything
        assert window.holds(fact.occurred_at)
    for key, one in wanted.items():
        fact = found[key]
        assert (fact.account_id, fact.account_type) == (one.rest_actor, one.account_type), key
        assert (fact.occurred_at, fact.family, fact.action) == (one.rest_at, one.family, one.action), key
        assert fact.issue_id == one.issue_id, key
        assert sorted(fact.fields) == sorted(dict.fromkeys(name.lower() for name in one.fields)), key
        assert fact.source == "reconcile"
