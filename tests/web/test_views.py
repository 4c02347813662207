"""The views beside the first behind the password, of a company whose settings name neither organization nor prices."""

import re
from collections.abc import Iterator

import httpx
import pytest
from msgspec.structs import replace

from consumers.writers import DirectoryWriter
from rollcall.eventlog import Entry
from rollcall.records import encode

from ..facts import Refreshing
from ..seats.warehouse import SOFTWARE, Snapshot
from . import holders
from .serving import Served, served, settings_of

PASSWORD = "correct horse battery"
VIEWS = (
    "/seats?site=acme&verdict=idle",
    "/person?account=acts",
    "/health",
    "/health?site=borealis",
    "/licenses?days=60",
    "/thresholds?product=jira-software",
    "/robots",
)
EXPORTS = ("/seats.csv", "/seats.json", "/licenses.csv", "/thresholds.json", "/robots.csv", "/robots.json")


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = settings_of(tmp_path_factory.mktemp("locked"), holders.SITES, {"password": PASSWORD})
    with served(settings, holders.seed) as page:
        yield page


@pytest.mark.parametrize("view", VIEWS)
def test_who_is_not_signed_in_comes_back_to_the_view(locked: Served, view: str) -> None:
    with httpx.Client(base_url=locked.url, timeout=60) as viewer:
        sent = viewer.get(view)
        assert sent.status_code == 303
        assert httpx.QueryParams(sent.headers["location"].partition("?")[2])["next"] == view
        form = viewer.get(sent.headers["location"]).text
        assert f'name="next" value="{view.replace("&", "&amp;")}"' in form
        answer = viewer.post("/sign-in", data={"password": PASSWORD, "next": view}, headers={"origin": locked.url})
        assert answer.headers["location"] == view


@pytest.mark.parametrize("path", EXPORTS)
def test_programs_are_told_that_a_password_is_needed(locked: Served, path: str) -> None:
    assert httpx.get(locked.url + path, timeout=60).status_code == 401
    assert httpx.get(locked.url + path, auth=("", PASSWORD), timeout=60).status_code == 200


@pytest.mark.parametrize("there", ["/seats.evil.example", "//evil.example", "/seats/../x", "/seatsx", "/seats?a b"])
def test_nobody_is_sent_elsewhere(locked: Served, there: str) -> None:
    answer = httpx.post(
        f"{locked.url}/sign-in",
        data={"password": PASSWORD, "next": there},
        headers={"origin": locked.url},
        timeout=60,
    )
    assert answer.headers["location"] == "/"


def test_without_organization_and_prices_it_says_so_and_shows_no_money(locked: Served) -> None:
    text = httpx.get(f"{locked.url}/seats?site=acme", auth=("", PASSWORD), timeout=60).text
    assert 'id="no-organization"' in text
    assert 'class="money"' not in text
    assert "USD" not in text


def test_without_organization_and_prices_thresholds_say_so_and_show_no_money(locked: Served) -> None:
    text = httpx.get(f"{locked.url}/thresholds?site=acme", auth=("", PASSWORD), timeout=60).text
    assert 'id="no-organization"' in text
    assert "USD" not in text
    assert set(re.findall(r'data-label="Saves">(.*?)</td>', text)) == {'<span class="quiet">not known</span>'}


def test_without_prices_the_first_view_shows_no_money(locked: Served) -> None:
    text = httpx.get(f"{locked.url}/?site=acme", auth=("", PASSWORD), timeout=60).text
    assert 'id="paid"' in text
    assert "no prices" in text
    assert 'class="savings"' not in text


def test_where_nothing_is_known_nothing_is_calm(locked: Served) -> None:
    text = httpx.get(f"{locked.url}/health?site=borealis", auth=("", PASSWORD), timeout=60).text
    assert "Not known: any webhook, how much webhooks bring, when Jira was last read whole, who looked." in text
    assert "Not known: no run has compared" in text
    assert "none by itself" in text


def test_where_no_day_is_known_a_persons_year_is_not_empty_but_not_known(locked: Served) -> None:
    snapshot = [replace(row, site="borealis") for row in Snapshot(holders.ago(0), {"hana": (SOFTWARE,)}).complete()]
    rows = [Entry(encode(row), 0, n, f"rollcall.directory/0@{n}") for n, row in enumerate(snapshot)]
    assert locked.ask(Refreshing(locked.warehouse, DirectoryWriter).write(rows)) == []
    text = httpx.get(f"{locked.url}/person?site=borealis&account=hana", auth=("", PASSWORD), timeout=60).text
    assert "No day of this site is known yet" in text
    assert 'class="known"' not in text
    assert text.count('class="unknown" x="') == 2 * 365 + 1, "wide, narrow, and in the legend"
