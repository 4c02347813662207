"""Sign in at a real provider of OpenID Connect with a real browser, from another site as the browser sees it."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from ..clients import drivers
from ..ports import free_port
from ..web import holders
from ..web.serving import served, settings_of
from .chromium import console_lines
from .page_object import PATIENCE, RollcallPage
from .test_appearance import violations

HERE = Path(__file__).parent / "provider"
SECRET = "a secret of the client, long enough"
PEOPLE = {"ann": ["admins"], "bob": ["finance", "staff"], "eve": ["staff"]}


@dataclass
class Provided:
    """A page that is signed in to at a provider. To a browser `localhost` and `127.0.0.1` are two sites."""

    page: RollcallPage
    issuer: str


@pytest.fixture
def provided(driver: Chrome, tmp_path: Path) -> Iterator[Provided]:
    if lacking := drivers.lacking("node", "npm"):
        if os.environ.get(drivers.REQUIRE_VARIABLE):
            pytest.fail(f"{drivers.REQUIRE_VARIABLE} is set, and {lacking}")
        pytest.skip(lacking)
    port, page_port = free_port(), free_port()
    back = f"http://127.0.0.1:{page_port}/sign-in/openid/callback"
    provider = subprocess.Popen(
        ["node", str(HERE / "provider.mjs"), str(port), back, SECRET, json.dumps(PEOPLE)],
        env={**os.environ, "NODE_PATH": str(drivers.node_modules(HERE))},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    issuer = f"http://localhost:{port}"
    signing_in = {
        "openid": {"issuer": issuer, "client_id": "rollcall", "client_secret": SECRET, "scopes": ["profile", "groups"]},
        "public_url": f"http://127.0.0.1:{page_port}",
        "names_groups": ["admins"],
        "figures_groups": ["finance"],
    }
    settings = settings_of(tmp_path, holders.SITES, signing_in, seats=holders.SEATS, listen=f"127.0.0.1:{page_port}")
    try:
        assert provider.stdout is not None
        assert provider.stdout.readline() == "ready\n"
        with served(settings, holders.seed) as page:
            yield Provided(RollcallPage(driver, page.url), issuer)
        # The provider's own forms ask for fonts of somebody else; ours ask nobody.
        ours = [line for line in console_lines(driver) if f"127.0.0.1:{page_port}" in line]
        assert [line for line in ours if "status of 403" not in line] == []
    finally:
        provider.kill()
        provider.communicate()


def sign_in(provided: Provided, name: str) -> None:
    """Through the provider's own forms: who one is, and that the page may know it."""
    page = provided.page
    page.follow(page.find("#provider"))
    assert page.driver.current_url.startswith(f"{provided.issuer}/interaction/")
    page.find("[name=login]").send_keys(name)
    page.find("[name=password]").send_keys("any")
    page.follow(page.find("button[type=submit]"))
    page.follow(page.find("button[type=submit]"))


def lands_at(page: RollcallPage, address: str) -> None:
    WebDriverWait(page.driver, PATIENCE).until(lambda driver: driver.current_url == address)


def test_somebody_signs_in_and_lands_where_they_wanted(provided: Provided) -> None:
    page = provided.page
    page.driver.get(f"{page.url}/seats?site=acme&q=a")
    assert page.driver.current_url.startswith(f"{page.url}/sign-in?next=")
    assert violations(page.driver) == []
    sign_in(provided, "ann")
    lands_at(page, f"{page.url}/seats?site=acme&q=a")
    assert page.driver.find_elements(By.CSS_SELECTOR, "table.list tbody tr")
    [session] = [one for one in page.driver.get_cookies() if one["name"] == "rollcall_session"]
    assert (session["httpOnly"], session["sameSite"]) == (True, "Strict")
    page.follow(page.find("header form button"))
    assert page.driver.current_url == f"{page.url}/sign-in"
    page.open()
    assert page.driver.current_url == f"{page.url}/sign-in"


def test_groups_say_who_sees_what(provided: Provided) -> None:
    page = provided.page
    page.open()
    sign_in(provided, "bob")
    lands_at(page, f"{page.url}/")
    assert page.find("#figures-only").is_displayed()
    page.driver.get(f"{page.url}/seats")
    assert "of persons" in page.text("h1")


def test_who_is_in_no_group_is_told_so(provided: Provided) -> None:
    page = provided.page
    page.open()
    sign_in(provided, "eve")
    assert page.text("#problem").startswith("eve is in none of the groups")
    assert violations(page.driver) == []
