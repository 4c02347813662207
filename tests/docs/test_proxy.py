"""The sample for nginx passes the whole page on, and nothing that asks for no password."""

import re
from pathlib import Path
from unittest.mock import Mock

import pytest
from starlette.routing import Mount, Route

from console.web.overview import Page
from console.web.routes import page_routes

from ..web.company import SITES
from ..web.serving import settings_of
from .pages import text_of


@pytest.fixture(scope="module")
def passed() -> re.Pattern[str]:
    """What the location of the page matches, in the words that nginx and Python share."""
    (found,) = re.findall(r"location ~ (\^\S+) \{", text_of("docs/operations.md"))
    return re.compile(found)


def test_every_route_of_the_page_is_passed_on(passed: re.Pattern[str], tmp_path: Path) -> None:
    made = page_routes(Page(Mock(settings=settings_of(tmp_path, SITES))))
    routes = [route.path for route in made if isinstance(route, Route | Mount)]
    assert len(routes) == len(made)
    assert {"/", "/seats", "/licenses.csv", "/static", "/api/v1"} <= set(routes)
    for route in routes:
        path = f"{route}/x" if route in ("/static", "/api/v1") else route
        assert passed.search(path), path


@pytest.mark.parametrize(
    "path", ["/metrics", "/healthz", "/readyz", "/webhooks/acme", "/live/", "/seatsx", "/person/a"]
)
def test_nothing_else_is(passed: re.Pattern[str], path: str) -> None:
    assert not passed.search(path)
