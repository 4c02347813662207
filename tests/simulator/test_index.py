"""What the site keeps of its history is small, also while it is being read."""

import tracemalloc

from simulator import SiteConfig
from simulator.rest.index import Index

from .conftest import NOW


def test_reading_a_history_takes_no_more_memory_than_keeping_it() -> None:
    config = SiteConfig(seed=21, people=40, days=20, now_ms=NOW)
    Index(config).follow(NOW, NOW)  # fills the caches, all of which are bounded
    tracemalloc.start()
    try:
        index = Index(config)
        index.follow(NOW, NOW)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(index.rows) > 1_000
    assert peak < 2 * kept
    assert peak / len(index.rows) < 3_000


def test_what_is_not_searchable_yet_waits_and_is_not_lost(config: SiteConfig) -> None:
    at_once, late = Index(config), Index(config)
    at_once.follow(NOW, NOW)
    late.follow(NOW, NOW - 3 * 86_400_000)
    assert late.rows != at_once.rows
    late.follow(NOW, NOW)
    assert late.rows == at_once.rows
    assert late.version == at_once.version
