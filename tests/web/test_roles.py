"""Who has the password of figures sees no person anywhere; who has the other one sees all."""

import asyncio
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from pydantic import ValidationError
from starlette.routing import Route

from console.reports import REPORTS
from console.web.access import API, FIGURES, Password, Role, Sessions
from console.web.openapi import PREFIX
from console.web.overview import Page
from console.web.routes import page_routes
from rollcall.http.guard import MOST_FAILURES, Throttle
from rollcall.settings import PageSettings
from rollcall.warehouse.seats import VERDICTS

from . import holders
from .serving import Served, served, settings_of

NAMES, FIGURES_ONLY = "correct horse battery", "figures and no names"
SHOWN = (
    *FIGURES,
    "/health?site=borealis",
    *(f"{PREFIX}{path}" for path in ("/sites", "/openapi.json", "/sites/acme/health")),
)
OF_PERSONS = ("/seats", "/person?account=acts", "/seats.csv", "/seats.json", f"{PREFIX}/sites/acme/people/acts")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    page = {"password": NAMES, "figures_password": FIGURES_ONLY}
    settings = settings_of(tmp_path_factory.mktemp("roles"), holders.SITES, page, seats=holders.SEATS)
    with served(settings, holders.seed) as running:
        yield running


@pytest.fixture
def reader(company: Served) -> Iterator[httpx.Client]:
    """Somebody who signed in by the password of figures."""
    with httpx.Client(base_url=company.url, timeout=60) as client:
        form = {"password": FIGURES_ONLY, "next": "/"}
        assert client.post("/sign-in", data=form, headers={"origin": company.url}).status_code == 303
        yield client


def test_programs_see_no_more_by_it(company: Served) -> None:
    given: dict[str, Any] = {"headers": {"authorization": f"Bearer {FIGURES_ONLY}"}, "timeout": 60}
    for path, status in (("sites", 200), ("sites/acme/reports/licenses", 200), ("sites/acme/reports/users", 403)):
        answer = httpx.get(f"{company.url}{PREFIX}/{path}", **given)
        assert answer.status_code == status
        assert status == 200 or answer.json()["detail"] == "This is of persons, and the password shows figures only."
    for path, status in (("/health", 200), ("/seats", 403), ("/seats.csv", 403)):
        assert httpx.get(company.url + path, auth=("anybody", FIGURES_ONLY), timeout=60).status_code == status


def test_figures_are_all_that_is_shown(reader: httpx.Client, company: Served) -> None:
    assert [reader.get(path).status_code for path in SHOWN] == [200] * len(SHOWN)
    for path in OF_PERSONS:
        answer = reader.get(path)
        assert answer.status_code == 403
        assert "of persons" in answer.text
        assert httpx.get(company.url + path, auth=("", NAMES), timeout=60).status_code == 200
    for name, report in REPORTS.items():
        answer = reader.get(f"{PREFIX}/sites/acme/reports/{name}")
        assert answer.status_code == (403 if report.of_persons else 200), name
        fields = set(report.row.__struct_fields__)
        assert report.of_persons == bool(fields & {"account_id", "name", "email", "why", "granted_by"})


def test_no_person_is_in_anything_shown(reader: httpx.Client, company: Served) -> None:
    rows = company.ask(company.warehouse.query("SELECT account_id, display_name FROM accounts WHERE site = 'acme'"))
    names = {name for row in rows for name in row.values() if len(name) > 4 and name.lower() not in VERDICTS}
    reports = [f"{PREFIX}/sites/acme/reports/{name}" for name, report in REPORTS.items() if not report.of_persons]
    assert any(name in httpx.get(company.url, auth=("", NAMES), timeout=60).text for name in names)
    for path in (*SHOWN, *reports):
        text = reader.get(path).text
        assert not [name for name in names if f'"{name}"' in text or f">{name}<" in text], path


def test_the_first_view_leads_to_no_view_of_persons(reader: httpx.Client, company: Served) -> None:
    text = reader.get("/?site=acme").text
    assert 'id="seats-held"' in text
    assert 'id="figures-only"' in text
    assert 'id="people"' not in text
    assert "/seats" not in text
    assert "/person" not in text
    assert "/seats" in httpx.get(company.url, auth=("", NAMES), timeout=60).text


def test_what_nobody_named_as_figures_is_refused(company: Served) -> None:
    """A new view shows persons to nobody by mistake: every route of the page but these is tried."""
    routes = page_routes(Page(Mock(settings=company.settings)))
    paths = {route.path for route in routes if isinstance(route, Route) and "GET" in (route.methods or ())}
    for path in paths - {*FIGURES, "/sign-in"}:
        assert httpx.get(company.url + path, auth=("", FIGURES_ONLY), timeout=60).status_code == 403, path
    assert not [path for path in paths if path.startswith(API)]


def test_a_session_keeps_what_it_may_see() -> None:
    sessions = Sessions(60, lambda: 0.0)
    for role in Role:
        assert sessions.role(sessions.open(role)) is role
    figures = sessions.open(Role.FIGURES)
    assert sessions.role(figures.replace("figures", "names")) is None
    sessions.close(figures)
    assert sessions.role(figures) is None


def test_guesses_of_both_are_counted_together() -> None:
    async def guess() -> None:
        password = Password(NAMES, Throttle(lambda: 0.0), FIGURES_ONLY)
        assert password.role(NAMES, "192.0.2.1") is Role.NAMES
        assert password.role(FIGURES_ONLY, "192.0.2.1") is Role.FIGURES
        for _ in range(MOST_FAILURES):
            assert password.wait("192.0.2.1") == 0
            assert password.role("", "192.0.2.1") is None
        assert password.wait("192.0.2.1") > 0
        alone = Password(NAMES, Throttle(lambda: 0.0))
        assert [alone.role(given, "") for given in ("", FIGURES_ONLY)] == [None, None]

    asyncio.run(guess())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"figures_password": FIGURES_ONLY}, "and no password"),
        ({"password": NAMES, "figures_password": "short"}, "figures_password is shorter than 12"),
        ({"password": NAMES, "figures_password": NAMES}, "is the password"),
    ],
)
def test_it_stands_beside_the_other(settings: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        PageSettings.model_validate(settings)
