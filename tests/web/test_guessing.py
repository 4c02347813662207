"""Guessing the password over HTTP is slowed down."""

from pathlib import Path

import httpx

from rollcall.http.guard import MOST_FAILURES, WINDOW_SECONDS

from . import company
from .serving import served, settings_of

PASSWORD = "correct horse battery"


def test_guessing_is_slowed_down(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, company.SITES, page={"password": PASSWORD})
    with served(settings) as page, httpx.Client(base_url=page.url, headers={"origin": page.url}) as viewer:
        for guess in range(MOST_FAILURES):
            assert viewer.post("/sign-in", data={"password": f"guess {guess}"}).status_code == 403
        slowed = viewer.post("/sign-in", data={"password": PASSWORD})
        assert slowed.status_code == 429, "the right one does not help now"
        assert 0 < int(slowed.headers["retry-after"]) <= WINDOW_SECONDS
        assert "set-cookie" not in slowed.headers


def test_guessing_by_http_basic_is_slowed_down(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, company.SITES, page={"password": PASSWORD})
    with served(settings) as page:
        for guess in range(MOST_FAILURES):
            assert httpx.get(page.url, auth=("anybody", f"guess {guess}")).status_code == 401
        slowed = httpx.get(page.url, auth=("anybody", PASSWORD))
        assert slowed.status_code == 429, "the right one does not help now"
        assert 0 < int(slowed.headers["retry-after"]) <= WINDOW_SECONDS
