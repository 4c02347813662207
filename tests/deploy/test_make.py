"""`make` installs what a target needs: the demo does without the developers' tools, with uv or without."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from .files import ROOT

TOOLS = ("make", "sh", "touch", "rm")
UV = """#!/bin/sh
echo "uv $*" >> "$INSTALLED"
case "$1" in venv) "$PYTHON_OF_TESTS" -m venv .venv ;; esac
"""
PYTHON = """#!/bin/sh
echo "python $*" >> "$INSTALLED"
mkdir -p .venv/bin
cp "$0" .venv/bin/python
for program in rollcall mypy lint-imports ruff; do printf '#!/bin/sh\n' > .venv/bin/$program; done
chmod +x .venv/bin/*
"""


@dataclass
class Checkout:
    """The Makefile, in a folder of its own, with a Python and perhaps a uv that only write down what they are told."""

    folder: Path

    def make(self, *targets: str) -> list[str]:
        """Run make and return what it installed."""
        noted = self.folder / "installed"
        noted.write_text("")
        environment = {"PATH": f"{self.folder}/bin", "INSTALLED": str(noted), "PYTHON_OF_TESTS": "python3"}
        subprocess.run(
            ["make", *targets], cwd=self.folder, env=environment, check=True, capture_output=True, timeout=30
        )
        return [line for line in noted.read_text().splitlines() if "install" in line]


@pytest.fixture(params=[False, True], ids=["pip", "uv"])
def checkout(request: pytest.FixtureRequest, tmp_path: Path) -> Checkout:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in (*TOOLS, "cp", "mkdir", "chmod"):
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    for name, text in [("python3", PYTHON), *([("uv", UV)] if request.param else [])]:
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return Checkout(tmp_path)


def extras(installed: list[str]) -> list[str]:
    return [line.rpartition(" ")[2] for line in installed]


def test_the_demo_goes_without_the_developers_tools(checkout: Checkout) -> None:
    assert extras(checkout.make("demo")) == [".[embedded]"]
    assert checkout.make("demo") == checkout.make("up") == []
    assert extras(checkout.make("lint")) == [".[embedded,dev]"]


def test_the_developers_tools_are_enough_for_the_demo(checkout: Checkout) -> None:
    assert extras(checkout.make("lint")) == [".[embedded,dev]"]
    assert checkout.make("demo") == checkout.make("up") == checkout.make("lint") == []
    later = (checkout.folder / "pyproject.toml").stat().st_mtime + 60
    os.utime(checkout.folder / "pyproject.toml", (later, later))
    assert extras(checkout.make("demo")) == [".[embedded]"]


def test_clean_leaves_nothing_that_a_wheel_would_take_up(checkout: Checkout) -> None:
    """Setuptools copies modules into build/, and puts what it finds there into the next wheel."""
    for name in ("build/lib/console", "dist", "rollcall_jira.egg-info"):
        (checkout.folder / name).mkdir(parents=True)
    checkout.make("clean")
    assert sorted(path.name for path in checkout.folder.iterdir()) == ["Makefile", "bin", "installed", "pyproject.toml"]
