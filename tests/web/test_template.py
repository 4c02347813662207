"""Text that others chose, sizes and times, as the page writes them."""

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.web.template import LONGEST_NAME, ago, render, size, visible

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@given(st.text(st.characters(), max_size=300))
def test_nothing_invisible_or_turning_is_left(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert not [char for char in shown if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@pytest.mark.parametrize(
    "name", ["Ada Hazel", "דנה ברק", "می‌خواهم", "👩‍👩‍👧 Family", "Zoë Ångström-O'Neil", "=1+1", ""]
)
def test_names_stay_as_they_are(name: str) -> None:
    assert visible(name) == name


def test_long_names_are_cut() -> None:
    assert visible("x" * LONGEST_NAME) == "x" * LONGEST_NAME
    assert visible("x" * 10_000) == "x" * LONGEST_NAME + "…"


def test_templates_escape() -> None:
    shown = render("sign_in.html", there='/?"><script>', problem="<b>no</b>").decode()
    assert "<script>" not in shown
    assert "<b>" not in shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1400, "1.4 kB"), (999_600, "1.0 MB"), (4_200_000_000_000, "4.2 TB")],
)
def test_sizes(count: int, shown: str) -> None:
    assert size(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "just now"), (59, "just now"), (60, "1 minute ago"), (3599, "59 minutes ago"), (7200, "2 hours ago"),
        (86_400, "1 day ago"), (86_400 * 400, "400 days ago"),
    ],
)  # fmt: skip
def test_how_long_ago(seconds: int, shown: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == shown
