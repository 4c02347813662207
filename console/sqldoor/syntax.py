"""Queries as trees, by the engine's own parser.

What is checked is a tree, and what runs is that tree written down again: nothing in a query's text reaches the engine
past the check. Where the engine cannot say a query as a tree, or not without a loss, the query is refused.
"""

import base64
import json
from collections.abc import Callable
from typing import Any

from console.sqldoor.refusal import BAD_ARGUMENTS, NOT_IMPLEMENTED, READONLY, TOO_DEEP_RECURSION, DoorError, refused

Node = dict[str, Any]
Ask = Callable[[str], bytes]
"""Runs one of our own statements and returns its one value, raw."""

_UNREADABLE_TREE = "Failed to parse JSON"
_INEXACT = "The query has a part that cannot be checked, such as the literal -0.0 or an integer just beyond 64 bits"


def parse(ask: Ask, text: str) -> Node:
    """Return a statement's tree.

    Raises:
        DoorError: It is no statement, more than one, or one that has no exact tree.
    """
    literal = _literal(text.encode("utf-8", "surrogateescape"))
    try:
        answer = ask(
            f"WITH {literal} AS q, parseQueryToJSON(q) AS tree, "
            # Without parentheses: the tree has no redundant ones, and needed ones are its shape.
            "text -> replaceRegexpAll(text, '[()]', '') AS bare "
            "SELECT if(bare(formatQueryFromJSON(tree)) = bare(formatQuerySingleLine(q)), tree, '')"
        )
    except DoorError as error:
        if error.code != BAD_ARGUMENTS[0]:
            raise
        # A statement without a tree (none of them is a query), or a tree that the engine itself cannot read.
        if _UNREADABLE_TREE in error.body:
            raise refused(NOT_IMPLEMENTED, _INEXACT) from None
        raise refused(READONLY, "Cannot execute query in readonly mode: this door takes queries") from None
    if not answer.strip():
        raise refused(NOT_IMPLEMENTED, _INEXACT)
    try:
        tree = json.loads(answer.decode("utf-8", "surrogateescape"))
    except RecursionError:
        raise refused(TOO_DEEP_RECURSION, "The query is nested too deeply") from None
    if not isinstance(tree, dict):
        raise refused(NOT_IMPLEMENTED, "The query cannot be checked")
    return tree


def write(ask: Ask, tree: Node) -> str:
    """Return a tree's text. Raises DoorError when it has none."""
    text = json.dumps(tree, ensure_ascii=False).encode("utf-8", "surrogateescape")
    return ask(f"SELECT formatQueryFromJSON({_literal(text)})").decode("utf-8", "surrogateescape").rstrip("\n")


def _literal(text: bytes) -> str:
    return f"base64Decode('{base64.b64encode(text).decode()}')"
