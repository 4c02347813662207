"""The pages that are written from the code say what the code says."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.reference.pages import PAGES

from .pages import ROOT, text_of


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_code_says_now(name: str) -> None:
    assert text_of(f"docs/{name}") == PAGES[name](), "run `make docs`"


def test_it_does_not_depend_on_the_terminal(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.reference", str(tmp_path)]
    env = {
        "COLUMNS": "40",
        "TERMINAL_WIDTH": "40",
        "NO_COLOR": "1",
        "LC_ALL": "C",
        "PYTHONUTF8": "1",
        "PYTHONPATH": str(ROOT),
    }
    subprocess.run(command, check=True, env=env, cwd=tmp_path, capture_output=True, timeout=60)
    for name, page in PAGES.items():
        assert (tmp_path / name).read_text(encoding="utf-8") == page()
