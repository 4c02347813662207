"""A run that cannot be finished gives way to a new one, so that the days go on."""

from reconcile.state.checkpoint import Checkpoint, FeedCursor, place_of, why_new
from reconcile.window import Window

DAY = 86_400_000


def left(**given: object) -> Checkpoint:
    run = Checkpoint(site="acme", run_id="1", started_at=0, window=Window(0, 1), parts=["activity"])
    run.place = place_of(run)
    for name, value in given.items():
        setattr(run, name, value)
    return run


def test_when_a_new_run_takes_the_place_of_an_interrupted_one() -> None:
    assert why_new(left(tries=2), DAY - 1) is None
    assert why_new(left(tries=2), DAY) == "it is a day old"
    assert why_new(left(tries=3), 1) == "it failed 3 times at the same place"
    assert why_new(left(tries=3, worklogs=FeedCursor(since=5)), 1) is None
