"""What the docs point at is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .pages import NAMES, ROOT, code_spans, text_of, without_blocks

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(r"[\w.-]+(?:/[\w.*-]+)*/?")
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
MADE_LATER = {"rollcall.toml"}
"""Files that their reader makes."""


def links(name: str) -> Iterator[str]:
    text = re.sub(r"`[^`]*`", "", without_blocks(text_of(name)))
    yield from (link for link in _LINK.findall(text) if not link.startswith(("https://", "mailto:")))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_code_marks_come_in_pairs(name: str) -> None:
    assert without_blocks(text_of(name)).count("`") % 2 == 0


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    for link in links(name):
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), f"{name} links {link}"
        assert not anchor or anchor in anchors(target), f"{name} links {link}, which has no such heading"


@pytest.mark.parametrize("name", NAMES)
def test_paths_named_in_code_exist(name: str) -> None:
    for span in code_spans(text_of(name)):
        looks_like_one = _PATH.fullmatch(span) and (span.partition("/")[0] in FOLDERS and "/" in span)
        a_file = re.fullmatch(r"[\w.-]+\.(?:md|toml|yml|py|sql)|Makefile|LICENSE", span) and span not in MADE_LATER
        if looks_like_one:
            assert list(ROOT.glob(span.rstrip("/"))), f"{name} names {span}"
        elif a_file:
            places = (ROOT / span, (ROOT / name).parent / span, ROOT / "docs" / span)
            assert any(place.exists() for place in places), f"{name} names {span}"


@pytest.mark.parametrize("name", NAMES)
def test_every_page_is_linked_from_another(name: str) -> None:
    if name in ("README.md", "CHANGELOG.md"):
        return
    targets = {
        ((ROOT / other).parent / link.partition("#")[0]).resolve()
        for other in NAMES
        for link in links(other)
        if other != name
    }
    assert (ROOT / name).resolve() in targets


@pytest.mark.parametrize("name", NAMES)
def test_make_targets_named_in_code_exist(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*?## ", text_of("Makefile"), re.MULTILINE))
    named = {span.removeprefix("make ") for span in code_spans(text_of(name)) if re.fullmatch(r"make [a-z-]+", span)}
    assert named <= targets
