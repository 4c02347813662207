"""docs/operations.md has a row for each message that an operator may meet, and none for a message that is gone."""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from . import messages as found_in_code
from .messages import HOLE, TEMPLATES, Message, messages, of_module, rendered
from .pages import ROOT, tables, text_of

PRODUCT = ("rollcall", "ingest", "reconcile", "consumers", "console")
HEAD = "| what you see | cause | what to do |"
LEAST_LETTERS = 7
"""Fewer would be found in many a message that the row is not about."""


@dataclass(frozen=True)
class Row:
    """A row of a table of troubles."""

    seen: str
    cause: str
    remedy: str

    @property
    def fragments(self) -> list[str]:
        """What of a message the row quotes; the reason of a refused post is code at its beginning."""
        reasons = re.findall(r"`\w+`", self.seen) if re.match(r"`\w+`[ ,]", self.seen) else []
        return [*re.findall(r'"([^"]+)"', self.seen), *reasons]


def rows() -> list[Row]:
    """Every row of every table of the page that has the head of troubles."""
    _, *parts = text_of("docs/operations.md").split(f"{HEAD}\n")
    return [Row(*cells) for part in parts for cells in tables(f"{HEAD}\n{part}")[0]]


@cache
def patterns() -> list[re.Pattern[str]]:
    """What messages look like, by the rows; some of them at the beginning only, where the row says so."""
    return [
        re.compile(("^" if "at the beginning" in row.seen else "") + ".*".join(map(re.escape, fragment.split(HOLE))))
        for row in rows()
        for fragment in row.fragments
        if fragment not in FRAMES
    ]


FRAMES = (
    "topic …; …; …",
    "event log; …; …",
    "warehouse; …; …",
    "no answer: …",
    "…: …, … times over…",
    "environment: …",
    "…: Jira answers …, …",
    "…: Jira answers ………",
    "… could not be read: …",
    "… … could not be read: …",
    "… … …s: … could not be read: …",
    "kafka.…",
    "sites.….…",
)
"""Messages that say nothing but in which frame another message stands, which is found and has its row by itself."""


def has_row(message: Message) -> bool:
    """Whether a row quotes it; one that quotes a frame quotes that alone, and not all that begins in the same way."""
    return message.text in FRAMES or any(pattern.search(message.text) for pattern in patterns())


def test_no_message_is_without_a_row() -> None:
    without = [str(one) for one in messages() if not has_row(one)]
    assert not without, "\n".join(["docs/operations.md, Trouble, lacks a row for:", *without])


def test_no_row_is_without_its_message() -> None:
    """Of the whole product, for a row may also tell of what belongs to another command."""
    said = "\n".join([*(one.text for one in messages()), *texts()])
    gone = [fragment for row in rows() for fragment in row.fragments if not in_one_line(fragment, said)]
    assert not gone, f"no code says any more: {gone}"


def in_one_line(fragment: str, said: str) -> bool:
    return re.search("[^\n]*".join(map(re.escape, fragment.strip("`").split(HOLE))), said) is not None


def texts() -> list[str]:
    """Every text of the product and of the page's templates, one a line."""
    files = [file for folder in PRODUCT for file in sorted((ROOT / folder).rglob("*.py"))]
    spoken = [text for file in files for text in _strings(ast.parse(file.read_text(encoding="utf-8")))]
    pages = [one for file in sorted(TEMPLATES.glob("*.html")) for one in rendered(file.read_text(encoding="utf-8"))]
    return [" ".join(text.split()) for text in [*spoken, *pages]]


def _strings(tree: ast.AST) -> list[str]:
    """Return the texts of a module but for its docstrings."""
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str() as text) if id(node) not in told:
                found.append(text)
            case ast.JoinedStr(values=values):
                found.append("".join(str(one.value) if isinstance(one, ast.Constant) else HOLE for one in values))
    return found


def test_every_row_says_cause_and_remedy_and_quotes_enough() -> None:
    for row in rows():
        assert row.cause, row.seen
        assert row.remedy, row.seen
        for fragment in row.fragments:
            letters = len(re.findall("[A-Za-z]", fragment))
            assert letters >= LEAST_LETTERS or "at the beginning" in row.seen, fragment
    quoted = [fragment for row in rows() for fragment in row.fragments]
    assert len(quoted) == len(set(quoted)), sorted(one for one in quoted if quoted.count(one) > 1)


def test_frames_are_said_and_nothing_else_has_a_row_by_how_it_begins() -> None:
    assert set(FRAMES) <= {one.text for one in messages()}
    quoted = {fragment for row in rows() for fragment in row.fragments}.difference(FRAMES)
    assert not [one for one in quoted if re.fullmatch(r"[a-z_]+[.:,][a-z_]*:?[ …]*", one)], "a setting's name alone"


ADDED = {
    "a finding": 'return Finding("moon", False, "it has set", "wait for it")',
    "a finding by keyword": 'return Finding(subject="moon", ok=full, found="it wanes")',
    "an error": 'raise SettingsError(f"moon.{full}: the phase is unknown here")',
    "an error that begins with a setting's name": 'raise SettingsError(f"log_url: {full} is a moon and no log")',
    "an error with the name of a site": 'raise SettingsError(f"sites.{full}.url: this is the moon")',
    "an answer of Jira's": 'raise SettingsError(f"{full}: Jira answers with the moon")',
    "what could not be read, in a frame": 'run.missing.append(f"{full} could not be read: no moon")',
    "an error of a kind chosen at run time": 'kind = JiraError if full else OSError; return kind("one moon too many")',
    "a gap": 'context.note("the phases of the moon", error)',
    "what is missing": 'run.missing.append("the far side of the moon")',
    "what is skipped": 'context.skip("moons that have set")',
    "a part of the directory": 'with gaps.reading("moon", "who walked on the moon"): pass',
    "a line of the log": 'log.warning("the moon is hidden", site="acme")',
    "a notice": 'return Notice("Looking at the moon")',
    "an error for a person": 'print_error("no moon to be seen")',
    "a part of a message": 'return "the moon is new" if full else ""',
    "a part with a name": 'found = f"a moon of {full} days"; return Finding("sky", False, found)',
}
"""Lines of a function that somebody adds."""


@pytest.mark.parametrize("kind", ADDED)
def test_a_message_that_somebody_adds_is_noticed(kind: str) -> None:
    """Each in a copy of a module of `reconcile`, as somebody would write it there."""
    path = ROOT / "reconcile" / "run.py"
    before = {one.text for one in of_module(path)}
    added = [
        one
        for one in of_module(path, f"{path.read_text()}\n\ndef look(full):\n    {ADDED[kind]}\n")
        if one.text not in before
    ]
    assert len(added) == 1, added
    assert "moon" in added[0].text
    assert not has_row(added[0])


def test_a_notice_that_somebody_adds_to_the_page_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "live.html"
    page.write_text('<p class="notice bad">The moon has set: {{ overview.trouble }}.</p>')
    [added] = found_in_code.of_template(page)
    assert added.text == "The moon has set: …."
    assert not has_row(added)


def test_what_is_as_it_should_be_is_no_trouble() -> None:
    path = ROOT / "console" / "checks" / "installation.py"
    assert not [one for one in of_module(path) if "as the migrations made them" in one.text]


def test_what_is_looked_at_and_what_is_left_out_is_there() -> None:
    """A module that moves must not leave the scope unseen."""
    for name in (*found_in_code.SCOPE, *found_in_code.ELSEWHERE, *found_in_code.ALL_THE_SAME):
        assert (ROOT / name).exists(), name
