"""Commands that the docs tell people to type exist."""

import itertools
import re
import shlex
import subprocess

import pytest
import typer
from typer.core import TyperGroup, TyperOption

from console.main import app
from tools.reference.commands import all_commands

from .pages import NAMES, ROOT, blocks, code_spans, text_of

COMMANDS = all_commands()
GROUPS = {" ".join(typed.split()[:2]) for typed in COMMANDS if len(typed.split()) > 2}
EVERYWHERE = {"--help", "--version", "--install-completion", "--show-completion"}
NOT_YET = re.compile(r"^## What it does not do yet$.*?^## ", re.MULTILINE | re.DOTALL)
"""README's section on what is to come may name what is not there."""


def written(name: str) -> list[str]:
    """Every piece of code of a page: spans, and the lines of shell blocks."""
    text = NOT_YET.sub("## ", text_of(name))
    lines = [line.strip().removeprefix("$ ") for block in blocks(text, "sh") for line in block.splitlines()]
    return [*code_spans(text), *lines]


def options_of(typed: str) -> set[str]:
    parameters = COMMANDS[typed].params
    return {option for one in parameters if isinstance(one, TyperOption) for option in one.opts} | EVERYWHERE


def commands(name: str) -> list[list[str]]:
    """Words of every `rollcall …` that is meant to be typed."""
    found = []
    for code in written(name):
        code = code.removeprefix(".venv/bin/")
        if re.match(r"rollcall [a-zA-Z-]", code):
            found.append(shlex.split(code.replace("…", ""), comments=True))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_commands_and_their_options_exist(name: str) -> None:
    for words in commands(name):
        named = {word.partition("=")[0] for word in words if word.startswith("--")}
        for typed in choices([word for word in words if not word.startswith("-")]):
            if typed in GROUPS | {"rollcall", "rollcall COMMAND"}:
                assert named <= EVERYWHERE, f"{name}: {typed}"
                continue
            command = next((one for one in COMMANDS if f"{typed} ".startswith(f"{one} ")), None)
            assert command, f"{name} names {typed!r}"
            assert named <= options_of(command), f"{name}: {' '.join(words)}"


def choices(words: list[str]) -> list[str]:
    """Every way to type words of which one may be like ``list|show``."""
    return [" ".join(typed) for typed in itertools.product(*(word.split("|") for word in words))]


def test_what_is_said_to_be_missing_is_missing() -> None:
    section = NOT_YET.search(text_of("README.md"))
    assert section
    assert said_to_be_missing("* **Being told, `rollcall report`.** Not yet.") == {"rollcall report"}
    there = said_to_be_missing(section[0])
    assert not there, "README, 'What it does not do yet': it does"


def said_to_be_missing(text: str) -> set[str]:
    """The commands that there are of those that a list says are not there."""
    named = re.findall(r"^\* \*\*.*?`(rollcall \w+)`\.\*\*", text, re.MULTILINE)
    return {one for one in named if any(f"{typed} ".startswith(f"{one} ") for typed in COMMANDS)}


@pytest.mark.parametrize("name", NAMES)
def test_make_targets_exist(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {match[1] for code in written(name) if (match := re.match(r"make ([a-z-]+)", code))}
    assert named <= targets


def test_make_lists_its_targets() -> None:
    shown = subprocess.run(["make", "-C", str(ROOT)], check=True, capture_output=True, text=True, timeout=30).stdout
    assert "make demo" in shown
    assert "make docs" in shown


def test_the_page_has_every_command() -> None:
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    text = text_of("docs/commands.md")
    for typed in COMMANDS:
        assert f"## `{typed}`" in text
    assert {typed.split()[1] for typed in COMMANDS} == {
        name for name, one in command.commands.items() if not one.hidden
    }
