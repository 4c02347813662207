"""The glossary has each word once, in one sentence, with a module that is there and uses the word."""

import re

import pytest

from .pages import ROOT, plain, tables, text_of

[ROWS] = tables(text_of("docs/glossary.md"))
OWNERS = {"Rollcall", "Jira", "Kafka", "ClickHouse", "HTTP", "SQL"}


def bare(text: str) -> str:
    """Letters only, so that `user day` is found in `user_days` and in ``UserDay``."""
    return re.sub(r"[^a-z]", "", text.lower())


def test_each_word_stands_once_in_alphabetical_order() -> None:
    words = [row[0].lower() for row in ROWS]
    assert words == sorted(set(words))
    assert len(words) > 50


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_word_has_one_sentence_an_owner_and_a_module_that_uses_it(row: list[str]) -> None:
    word, sentence, owner, module = row
    assert sentence.endswith(".")
    assert sentence[0].isupper()
    assert ". " not in sentence
    assert set(owner.split(", ")) <= OWNERS
    assert bare(word) in bare(plain(module) + (ROOT / plain(module)).read_text(encoding="utf-8"))
