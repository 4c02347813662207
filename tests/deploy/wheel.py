"""The wheel of this checkout, and environments that it is installed into."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .files import ROOT

_LEFT_BEHIND = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info", "htmlcov")
_WHEEL = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
_PATIENCE = 600.0
"""Seconds that an installation may take; the embedded engine is half a gigabyte."""


def build(folder: Path) -> Path:
    """Build the wheel in a folder that is not there yet, from a copy, because building leaves things behind.

    Needs setuptools in this environment and asks no package index.
    """
    shutil.copytree(ROOT, folder / "checkout", ignore=_LEFT_BEHIND)
    _done([sys.executable, *_WHEEL, "-w", str(folder), str(folder / "checkout")], folder)
    [wheel] = folder.glob("*.whl")
    return wheel


@dataclass
class Environment:
    """An environment of its own, which nothing of this one reaches."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Environment":
        """Make an empty one."""
        _done([sys.executable, "-m", "venv", str(folder)], folder.parent)
        return cls(folder)

    def install(self, *what: str) -> None:
        """Install packages by pip."""
        _done([str(self.folder / "bin" / "pip"), "install", "--quiet", *what], self.folder)

    def packages(self) -> set[str]:
        """What is installed, by name."""
        listed = _done([str(self.folder / "bin" / "pip"), "list", "--format=freeze"], self.folder).stdout
        return {line.partition("==")[0].lower().replace("_", "-") for line in listed.splitlines()}

    def python(self, code: str) -> str:
        """Run Python code and return what it prints."""
        return _done([str(self.folder / "bin" / "python"), "-c", code], self.folder).stdout

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of a rollcall command, installed here."""
        return [str(self.folder / "bin" / "rollcall"), *arguments]

    def rollcall(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a rollcall command to its end, whatever that is."""
        return subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env=untouched(),
            timeout=_PATIENCE,
        )


def untouched() -> dict[str, str]:
    """This process's environment variables without those that would lead to other code or settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV", "ROLLCALL_"))}


def _done(command: list[str], cwd: Path) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=cwd, env=untouched(), timeout=_PATIENCE
    )
    assert done.returncode == 0, done.stderr
    return done
