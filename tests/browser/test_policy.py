"""The page's policy holds in a real browser, and the watch that the other tests rely on sees a breach."""

from selenium.webdriver import Chrome

from ..web.serving import Served
from .chromium import asked_hosts, console_lines
from .page_object import RollcallPage

_BREACHES = """
const add = (tag, attributes) => document.body.append(Object.assign(document.createElement(tag), attributes));
add("img", {src: "http://foreign.example/x.png"});
add("script", {textContent: "document.title = 'owned'"});
add("style", {textContent: "body { display: none }"});
add("link", {rel: "stylesheet", href: "http://foreign.example/x.css"});
fetch("http://foreign.example/names").catch(() => {}).finally(arguments[0]);
"""


def test_breaches_are_stopped_and_seen(driver: Chrome, company_page: Served) -> None:
    page = RollcallPage(driver, company_page.url)
    page.open(site="acme")
    assert console_lines(driver) == []
    driver.execute_async_script(_BREACHES)
    told = [line for line in console_lines(driver) if "Content Security Policy" in line]
    for directive in ("img-src", "script-src", "style-src", "connect-src"):
        assert any(directive in line for line in told), (directive, told)
    assert driver.title == "acme · Rollcall"
    assert page.find("main").is_displayed()
    assert "foreign.example" in asked_hosts(driver), "even an attempt that was stopped is seen"
