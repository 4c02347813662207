"""What comes with every answer, and what no page of ours holds: anything inline, anything from elsewhere."""

from html.parser import HTMLParser

import httpx
import pytest

_PAGES = [
    "/",
    "/live",
    "/?site=borealis",
    "/?site=cumulus",
    "/seats",
    "/seats?site=borealis&q=x&verdict=idle",
    "/person?account=5b10a2844c20165700ed0002",
    "/person?site=borealis&account=markup",
    "/health",
    "/?site=nowhere",
    "/?q=x&sort=-worklogs&show=unseen&page=9",
]


class Markup(HTMLParser):
    """Gathers every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("path", [*_PAGES, "/sign-in", "/static/page.css", "/static/refresh.js"])
def test_every_answer_has_the_headers(viewer: httpx.Client, path: str) -> None:
    headers = viewer.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert set(policy.values()) == {"'none'", "'self'"}, "no host, no inline, no eval, no data:"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == ("no-cache" if path.startswith("/static") else "private, no-store")


@pytest.mark.parametrize("path", _PAGES)
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(viewer: httpx.Client, path: str) -> None:
    answer = viewer.get(path)
    assert answer.status_code == 200
    for tag, attributes in Markup(answer.text).tags:
        assert tag not in ("style", "iframe", "object", "embed", "base"), answer.text
        assert not [name for name in attributes if name == "style" or name.startswith("on")], (tag, attributes)
        assert tag != "script" or set(attributes) == {"src", "defer"}
        for name in ("src", "href", "action", "data-source"):
            assert (attributes.get(name) or "/").startswith(("/", "#")), (tag, attributes)
            assert not (attributes.get(name) or "/").startswith("//")


@pytest.mark.parametrize("path", _PAGES)
def test_ids_are_used_once(viewer: httpx.Client, path: str) -> None:
    ids = [attributes["id"] for _, attributes in Markup(viewer.get(path).text).tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_only_reading_is_answered(viewer: httpx.Client) -> None:
    assert viewer.post("/live").status_code == 405
    # A proxy that cuts the whole path posts webhooks there.
    assert (viewer.post("/").status_code, viewer.post("/").json()) == (404, {"error": "unknown_path"})
    assert viewer.head("/").status_code == 200
