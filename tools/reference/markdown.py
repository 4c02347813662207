"""The few forms of Markdown that the generated pages use."""

from collections.abc import Iterable, Sequence

GENERATED = "<!-- Written by `make docs` from the code. Change it there: a test compares this page with the code. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the cells are Markdown already, on one line each."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def code(text: str) -> str:
    """Return text set as code; nothing for no text."""
    return f"`{text}`" if text else ""


def page(*parts: str) -> str:
    """Return a page of these parts, a blank line between them; empty parts are left out."""
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
