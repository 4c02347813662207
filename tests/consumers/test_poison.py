"""When the share of poison stops a consumer."""

import pytest

from consumers.poison import FailureRate
from rollcall.errors import TooMuchPoisonError


def test_single_bad_records_never_stop_it() -> None:
    gauge = FailureRate(window=100, ratio=0.2)
    for _ in range(1000):
        gauge.add(10, 1)


def test_the_share_is_taken_over_at_least_a_window() -> None:
    gauge = FailureRate(window=100, ratio=0.2)
    gauge.add(19, 19)
    with pytest.raises(TooMuchPoisonError):
        gauge.add(1, 1)


def test_a_batch_larger_than_the_window_is_weighed_by_its_own_size() -> None:
    gauge = FailureRate(window=100, ratio=0.2)
    gauge.add(10_000, 1999)
    with pytest.raises(TooMuchPoisonError):
        gauge.add(10_000, 2001)


def test_old_poison_is_forgotten() -> None:
    gauge = FailureRate(window=100, ratio=0.2)
    for _ in range(50):
        gauge.add(100, 19)
        gauge.add(100, 0)


def test_a_refused_batch_is_not_counted() -> None:
    gauge = FailureRate(window=100, ratio=0.2)
    for _ in range(2):
        with pytest.raises(TooMuchPoisonError):
            gauge.add(100, 100)
    gauge.add(100, 19)
