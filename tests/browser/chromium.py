"""A real Chromium, driven by its own chromedriver; nothing is downloaded."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-device-scale-factor=1",
    "--hide-scrollbars",
    "--lang=en-US",
)


def installed() -> tuple[str, str] | None:
    """Where Chromium and its driver are; None when one of them is missing."""
    browser = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


@contextmanager
def chromium(profile: Path, width: int = 1280, height: int = 1000) -> Iterator[Chrome]:
    """A browser with a fresh profile, which logs its console and its network."""
    found = installed()
    assert found, "no Chromium"
    options = ChromeOptions()
    options.binary_location = found[0]
    for flag in (*_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(found[1]))
    try:
        driver.set_page_load_timeout(60)
        yield driver
    finally:
        driver.quit()


def console_lines(driver: Chrome) -> list[str]:
    """What the console said since the last call: errors, warnings and breaches of the policy alike."""
    return [f"{line['level']} {line['message']}" for line in _log(driver, "browser")]


def asked_hosts(driver: Chrome) -> set[str]:
    """The hosts that pages asked since the last call, ``host:port``."""
    hosts = set()
    for entry in _log(driver, "performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            hosts.add(urlsplit(message["params"]["request"]["url"]).netloc)
    return hosts


def prefer(driver: Chrome, scheme: str) -> None:
    """Let pages believe that the viewer prefers ``light`` or ``dark``."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def shrink(driver: Chrome, width: int) -> None:
    """Show pages as a phone of that width does."""
    metrics: dict[str, Any] = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def unshrink(driver: Chrome) -> None:
    """End what `shrink` began."""
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def _log(driver: Chrome, kind: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = driver.get_log(kind)  # type: ignore[no-untyped-call]  # selenium is half typed
    return entries
