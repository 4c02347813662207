"""The walks through the code name files that are there, each once, and go down only."""

import ast
import re
from pathlib import Path

import pytest

from tools.hops import MOST

from .pages import ROOT, plain, sections, tables, text_of

PAGE = text_of("docs/architecture.md")
SECTIONS = dict(sections(PAGE, 2))
WAY = "From a webhook's body to a dashboard's row"
PARTS = {
    **dict(sections(SECTIONS[WAY], 3)),
    "A SQL query": SECTIONS["A SQL query, in short"],
    "A reconcile run": SECTIONS["A reconcile run, in short"],
}
_FILE = re.compile(r"`([\w/]+\.(?:py|sql|html))`")


def walk(text: str) -> list[str]:
    """The files that a numbered list names, in order."""
    start = re.search(r"^1\. ", text, re.MULTILINE)
    assert start
    return _FILE.findall(text[start.start() :])


def imported(file: str) -> set[str]:
    """The files that a module imports something of."""
    if not file.endswith(".py"):
        return set()
    found = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            found |= {f"{name.replace('.', '/')}.py" for name in names}
    return found


@pytest.mark.parametrize("part", PARTS)
def test_each_part_names_files_once(part: str) -> None:
    files = walk(PARTS[part])
    assert [file for file in files if not (ROOT / file).is_file()] == []
    assert len(files) == len(set(files))
    assert len(files) >= 10


def test_the_way_of_a_fact_names_each_file_once_in_all() -> None:
    files = [file for part in dict(sections(SECTIONS[WAY], 3)).values() for file in walk(part)]
    assert len(files) == len(set(files))


@pytest.mark.parametrize("part", PARTS)
def test_each_part_goes_down_only(part: str) -> None:
    files = walk(PARTS[part])
    up = {(file, above) for number, file in enumerate(files) for above in imported(file) & set(files[:number])}
    assert up == set()


@pytest.mark.parametrize(
    ("part", "folder"),
    [("Onto the log", "ingest"), ("Into the warehouse", "consumers"), ("A SQL query", "console/sqldoor")],
)
def test_a_walk_passes_every_file_of_its_folder(part: str, folder: str) -> None:
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).glob("*.py") if path.name != "__init__.py"}
    assert there <= set(walk(PARTS[part]))


def test_the_folders_are_those_of_the_repository() -> None:
    product, inside = tables(SECTIONS["Folders"])
    named = {Path(plain(row[0])) for row in [*product, *inside]}
    packages = {path.parent.relative_to(ROOT) for path in ROOT.glob("*/__init__.py")}
    packages |= {path.parent.relative_to(ROOT) for path in ROOT.glob("rollcall/*/__init__.py")}
    assert named == packages - {Path("tests")}


def test_the_counts_stand_beside_what_the_house_allows() -> None:
    [rows] = tables(SECTIONS["How many files run"])
    assert {plain(row[0]): int(row[3]) for row in rows} == MOST
    assert all(int(row[2]) > 0 for row in rows)
