"""The list of mutants is up to date with the code and the tests, and the runner tells the dead from the living."""

import pkgutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tools.mutants import ROOT, Mutant, mutated, read_mutants, try_all

LISTED = read_mutants()


@pytest.mark.parametrize("mutant", LISTED, ids=lambda one: f"{one.number}-{one.what}")
def test_its_old_text_stands_once_and_its_tests_are_there(mutant: Mutant) -> None:
    mutated(mutant, ROOT)
    assert mutant.tests
    for node in mutant.tests:
        file, _, inside = node.partition("::")
        assert (ROOT / file).is_file()
        module = file.removesuffix(".py").replace("/", ".")
        assert callable(pkgutil.resolve_name(f"{module}:{inside.replace('::', '.')}")), f"{node} is gone"


def test_the_list_is_long_enough_and_says_nothing_twice() -> None:
    assert len(LISTED) >= 40
    assert max(Counter(mutant.what for mutant in LISTED).values()) == 1
    assert max(Counter((mutant.file, mutant.old, mutant.new) for mutant in LISTED).values()) == 1


SUM = "def add(a: int, b: int) -> int:\n    return a + b\n"
TESTS = """
import pytest
import sum

def test_add() -> None:
    assert sum.add(2, 2) == 4

def test_skipped() -> None:
    pytest.skip()

def test_fails() -> None:
    raise AssertionError
"""


def mutant(new: str, test: str = "test_add", old: str = "a + b") -> Mutant:
    return Mutant(1, "it does not add", "sum.py", old, new, (f"test_sum.py::{test}",))


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # for speed
    (tmp_path / "sum.py").write_text(SUM)
    (tmp_path / "test_sum.py").write_text(TESTS)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def test_only_what_a_test_notices_is_dead(tree: Path) -> None:
    cases = {
        "": mutant("a - b"),
        "SURVIVED: none of its tests failed": mutant("a * b"),
        "its tests are skipped here": mutant("a - b", "test_skipped"),
        "could not be run": mutant("a + b\n\nimport nowhere"),
        "0 times, not once": mutant("a", old="b + a"),
        "no Python any more": mutant("a +"),
    }
    for verdict, trouble in zip(try_all(list(cases.values()), tree), cases, strict=True):
        assert trouble in verdict.trouble
        assert bool(trouble) == bool(verdict.trouble)
    assert (tree / "sum.py").read_text() == SUM


@pytest.mark.parametrize("test", ["test_gone", "test_fails"])
def test_tests_that_fail_anyway_kill_nobody(tree: Path, test: str) -> None:
    with pytest.raises(RuntimeError, match="fail without a mutant"):
        try_all([mutant("a - b", test)], tree)
