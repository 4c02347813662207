"""The house's rule on modules, as CONTRIBUTING.md has it: few, each a whole idea, each under a name of its own."""

import ast
import re
from collections import Counter
from pathlib import Path
from statistics import median

import pytest

from .pages import ROOT, text_of

PRODUCT = ("rollcall", "ingest", "reconcile", "consumers", "console")
MOST_MODULES = 165
LEAST_MEDIAN = 110
USUAL = range(100, 251)
LONGEST = 450
MOST_TWINS = 8
"""Names that the product and the simulator have twice: each costs whoever looks for one of the two."""
NOUNS_IN_ING = {"finding", "paging"}
"""Other names in -ing are verbs as a rule, and tell what a module does rather than what it holds."""


def modules(*folders: str) -> list[Path]:
    """The modules of some folders, without what only makes a folder a package."""
    found = (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))
    return [path for path in found if path.name not in ("__init__.py", "__main__.py")]


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_the_product_has_few_modules_and_most_hold_a_whole_idea() -> None:
    sizes = sorted(map(lines, modules(*PRODUCT)))
    assert len(sizes) <= MOST_MODULES
    assert median(sizes) >= LEAST_MEDIAN
    assert sum(size in USUAL for size in sizes) > len(sizes) / 2


def test_no_module_is_too_long_to_read_at_a_sitting() -> None:
    assert [path for path in modules(*PRODUCT, "simulator") if lines(path) > LONGEST] == []


def test_few_names_stand_twice() -> None:
    names = Counter(path.stem for path in modules(*PRODUCT, "simulator"))
    assert len([name for name, count in names.items() if count > 1]) <= MOST_TWINS


def test_modules_are_named_for_what_they_hold() -> None:
    names = {path.stem for path in modules(*PRODUCT, "simulator", "tools")}
    names |= {path.parent.name for path in modules(*PRODUCT, "simulator", "tools")}
    assert names & {"util", "utils", "helper", "helpers", "common", "manager", "misc"} == set()
    assert {name for name in names if name.endswith("ing")} <= NOUNS_IN_ING


@pytest.mark.parametrize("folder", [*PRODUCT, "simulator", "tools"])
def test_packages_define_nothing_themselves(folder: str) -> None:
    """What stands in an `__init__.py` is counted nowhere above."""
    for path in (ROOT / folder).rglob("__init__.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        defined = [node for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
        assert defined == [], path


def test_contributing_says_the_same() -> None:
    rule = next(
        line for line in re.split(r"\n(?=\* )", text_of("CONTRIBUTING.md")) if line.startswith("* **Modules.**")
    )
    said = set(map(int, re.findall(r"\d+", rule)))
    assert {USUAL.start, USUAL.stop - 1, LONGEST, MOST_MODULES} <= said
