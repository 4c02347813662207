"""Light and dark, wide and narrow, and what axe-core finds; writes the screenshots of the README when asked."""

import base64
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from .chromium import prefer, shrink
from .page_object import RollcallPage

SCREENSHOTS = "ROLLCALL_SCREENSHOTS"
"""Environment variable: the folder to write page-light.png and page-dark.png to (`make screenshots`)."""

_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice")
_COLORS = ("color-contrast",)


def screenshot(driver: Chrome, width: int = 1280, height: int = 1240) -> bytes:
    """A picture of the upper part of the page, whatever the size of the window."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    taken = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "optimizeForSpeed": False})
    return base64.b64decode(taken["data"])


def brightness(driver: Chrome) -> int:
    color: str = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    return sum(int(part) for part in color.removeprefix("rgb(").rstrip(")").split(","))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(page: RollcallPage, scheme: str) -> None:
    prefer(page.driver, scheme)
    page.open(site="acme")
    assert (brightness(page.driver) > 3 * 128) == (scheme == "light")
    picture = screenshot(page.driver)
    assert 20_000 < len(picture) < 300_000
    if folder := os.environ.get(SCREENSHOTS):
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, f"page-{scheme}.png").write_bytes(picture)


@pytest.mark.parametrize("site", ["acme", "borealis", "cumulus"])
def test_axe_finds_nothing(page: RollcallPage, site: str) -> None:
    page.open(site=site)
    page.driver.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert violations(page.driver) == []
    prefer(page.driver, "dark")
    assert violations(page.driver, colors=True) == []


@pytest.mark.parametrize("site", ["acme", "borealis", "cumulus"])
def test_a_phone_is_wide_enough(page: RollcallPage, site: str) -> None:
    shrink(page.driver, 360)
    page.open(site=site)
    assert page.driver.execute_script("return document.documentElement.scrollWidth") <= 360


def violations(driver: Chrome, *, colors: bool = False, but: Sequence[str] = ()) -> list[str]:
    """What axe-core holds against the page, contrast included.

    Args:
        driver: Where the page is open.
        colors: Whether only against its colors: all else is the same in light and dark.
        but: Selectors of what is like other parts of the page and need not be looked at.
    """
    if not driver.execute_script("return 'axe' in window"):
        source = resources.files("axe_core_python").joinpath("axe.min.js")
        driver.execute_script(source.read_text(encoding="utf-8"))
    run = """
    const [but, options, done] = arguments;
    axe.run({exclude: but}, options).then(done, error => done({error: String(error)}));
    """
    # What does not apply or cannot be told is not asked for: each of its elements would be described.
    options = {"runOnly": _COLORS if colors else _RULES, "resultTypes": ["violations", "passes"]}
    found: dict[str, Any] = driver.execute_async_script(run, list(but), options)
    assert "error" not in found, found
    assert "color-contrast" in {one["id"] for one in found["passes"]}, "axe did not look"
    return [f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]]
