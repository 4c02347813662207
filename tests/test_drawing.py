"""The draw of dear tests, at the run that it decides."""

import os
import subprocess
import sys
from pathlib import Path

from .drawing import DEAR_FILES, DRAW_VARIABLE, is_drawn

TESTS = Path(__file__).parent


def collected(by: str) -> set[str]:
    """What pytest collects of a dear file and of another."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "tests/jira_answers/test_one_failing_thing.py", "tests/test_files.py"],
        cwd=TESTS.parent,
        env={**os.environ, DRAW_VARIABLE: by},
        capture_output=True,
        text=True,
        check=True,
    )
    return {line for line in done.stdout.splitlines() if "::" in line}


def test_it_takes_a_sixth_of_the_dear_tests_and_all_of_the_others() -> None:
    everything, one, another = collected(""), collected("a commit"), collected("another")
    assert one < everything
    assert one != another
    assert {test for test in everything if "test_files" in test} <= one & another
    dear = [test for test in everything if "one_failing" in test]
    assert 0.05 * len(dear) < sum(test in one for test in dear) < 0.4 * len(dear)


def test_each_has_its_turn() -> None:
    for n in range(200):
        turns = [is_drawn("endtoend/test_crash.py", f"tests/endtoend/test_crash.py::{n}", str(by)) for by in range(100)]
        assert set(turns) == {False, True}


def test_the_files_are_there() -> None:
    assert {file for file in DEAR_FILES if not (TESTS / file).is_file()} == set()
