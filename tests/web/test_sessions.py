"""Cookies of sessions, and the limit on guesses, on a clock of the test's own."""

from console.web.access import Sessions
from rollcall.http.guard import MOST_FAILURES, WINDOW_SECONDS, Throttle


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_session_ends_with_its_time() -> None:
    clock = Clock()
    sessions = Sessions(3600, clock)
    cookie = sessions.open()
    clock.now += 3599
    assert sessions.known(cookie)
    clock.now += 1
    assert not sessions.known(cookie)


def test_nobody_makes_a_cookie_or_lengthens_one() -> None:
    clock = Clock()
    sessions = Sessions(3600, clock)
    cookie = sessions.open()
    name, ends, signature = cookie.split(".")
    forged = [None, "", "x", f"{name}.{int(ends) + 9999}.{signature}", f"{name}.{ends}", cookie[:-1], cookie + "a"]
    assert not any(sessions.known(one) for one in forged)
    assert not Sessions(3600, clock).known(cookie), "another process has another key"
    assert sessions.open() != sessions.open()


def test_what_was_closed_stays_closed_and_is_forgotten_in_time() -> None:
    clock = Clock()
    sessions = Sessions(3600, clock)
    closed, other = sessions.open(), sessions.open()
    sessions.close(closed)
    sessions.close("nonsense")
    assert not sessions.known(closed)
    assert sessions.known(other)
    clock.now += 4000
    late = sessions.open()
    sessions.close(late)
    assert list(sessions._signed_out) == [late]


def test_failures_slow_a_client_down_for_a_while() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(MOST_FAILURES):
        assert throttle.wait("192.0.2.1") == 0
        throttle.failed("192.0.2.1")
        clock.now += 1
    assert throttle.wait("192.0.2.1") == WINDOW_SECONDS - MOST_FAILURES
    assert throttle.wait("192.0.2.2") == 0, "others are not slowed"
    clock.now += WINDOW_SECONDS - MOST_FAILURES
    assert throttle.wait("192.0.2.1") == 0


def test_a_network_of_ipv6_is_one_client() -> None:
    throttle = Throttle(Clock())
    for n in range(MOST_FAILURES):
        throttle.failed(f"2001:db8::{n:x}")
    assert throttle.wait("2001:db8::ffff") > 0
    assert throttle.wait("2001:db8:0:1::1") == 0
    for _ in range(MOST_FAILURES):
        throttle.failed("::ffff:192.0.2.1")
    assert throttle.wait("192.0.2.1") > 0
    assert throttle.wait("no address") == 0


def test_many_clients_take_bounded_memory() -> None:
    throttle = Throttle(Clock())
    for n in range(12_000):
        throttle.failed(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    assert len(throttle._failures) == 10_000
