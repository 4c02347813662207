"""The webhook page has every answer, every reason and every event that the code has."""

import ast
import hashlib
import hmac
import re
from collections.abc import Iterator

from ingest.handler import translate
from ingest.refusals import MEANINGS
from rollcall.jira import events

from .pages import ROOT, blocks, plain, sections, tables, text_of

PAGE = text_of("docs/webhooks.md")
SECTIONS = dict(sections(PAGE, 2))


def calls(name: str, *folders: str) -> Iterator[list[ast.expr]]:
    """The arguments of every call of a class."""
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                    yield node.args


def words(argument: ast.expr) -> set[str]:
    """Every text that an argument can be."""
    constants = (node.value for node in ast.walk(argument) if isinstance(node, ast.Constant))
    return {value for value in constants if isinstance(value, str)}


def test_every_refusal_is_in_the_table_of_answers() -> None:
    made = {
        (ast.unparse(status), word) for status, reason, *_ in calls("RefusalError", "ingest") for word in words(reason)
    }
    rows = [(row[0], plain(row[1])) for row in tables(SECTIONS["Answers"])[0] if row[0] != "204"]
    assert set(rows) == made


def test_every_refusal_has_a_meaning() -> None:
    reasons = {word for _, reason, *_ in calls("RefusalError", "ingest") for word in words(reason)}
    assert set(MEANINGS) == reasons
    assert {reason for reason, meaning in MEANINGS.items() if not meaning.remedy} == set()


def test_every_reason_of_a_dead_letter_is_in_its_table() -> None:
    reasons = {word for first, *_ in calls("NotUnderstoodError", "ingest", "rollcall") for word in words(first)}
    reasons |= {word for _, reason, *_ in calls("Poison", "consumers") for word in words(reason)}
    assert {plain(row[0]) for row in tables(SECTIONS["Dead letters"])[0]} == reasons


def test_every_event_is_in_one_of_the_tables() -> None:
    made, ignored = tables(SECTIONS["What each event becomes"])
    assert {name for row in made for name in re.findall(r"`([^`]+)`", row[0])} == events.FACTS
    families = {f"{family}*" for family in events.IGNORED_FAMILIES}
    assert {name for row in ignored for name in re.findall(r"`([^`]+)`", row[0])} == events.IGNORED | families


def test_outcomes_are_named() -> None:
    text = SECTIONS["What each event becomes"]
    outcomes = set(re.findall(r"`(\w+)`", text[text.index("`rollcall_webhooks_total`") :]))
    assert outcomes >= {"facts", "echo", "no_edit", "cascade", "ignored", "dead_letter", "disconnected"}


def test_the_sample_is_an_event_that_is_known_and_dropped() -> None:
    [shell] = [block for block in blocks(PAGE, "sh") if "body=" in block]
    body = re.findall(r"^body='(.*)'$", shell, re.MULTILINE)[0].encode()
    told = translate("acme", body, "", 1_790_000_000_000)
    assert (told.outcome, told.facts) == ("ignored", ())


def test_the_sample_signs_as_jira_does() -> None:
    # Atlassian's own test vector, by the method that the sample gives openssl.
    assert "-sha256 -hmac" in PAGE
    digest = hmac.new(b"It's a Secret to Everybody", b"Hello World!", hashlib.sha256).hexdigest()
    assert digest == "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
