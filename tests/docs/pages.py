"""The pages that people read, and the parts of them that can be held to the code."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CELLS = re.compile(r"(?<!\\)\|")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks in a language."""
    return [body for named, body in _FENCE.findall(text) if named == language]


def without_blocks(text: str) -> str:
    return _FENCE.sub("", text)


def code_spans(text: str) -> list[str]:
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", without_blocks(text))]


def sections(text: str, level: int) -> Iterator[tuple[str, str]]:
    """Heading and text of every section of a level, up to the next heading of that level or above."""
    heading = re.compile(rf"^(#{{1,{level}}}) (.+)$", re.MULTILINE)
    found = list(heading.finditer(text))
    for here, after in zip(found, [*found[1:], None], strict=True):
        if len(here[1]) == level:
            yield here[2], text[here.end() : after.start() if after else None]


def tables(text: str) -> list[list[list[str]]]:
    """Every table as rows of cells, without its two head lines."""
    runs = re.findall(r"(?:^\|.*\|$\n?)+", without_blocks(text), re.MULTILINE)
    return [[_cells(line) for line in run.strip().splitlines()[2:]] for run in runs]


def plain(cell: str) -> str:
    """A cell that is one code span, without its marks."""
    return cell.strip().removeprefix("`").removesuffix("`")


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in _CELLS.split(line)[1:-1]]
