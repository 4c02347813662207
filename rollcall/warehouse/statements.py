"""What the engine tells of a table in SQL, without what differs from one place to the next."""

import re

_STRING = r"'(?:[^'\\]|\\.)*'"
_QUOTED = re.compile(rf"{_STRING}|`(?:[^`\\]|\\.)*`")
_PLACED = re.compile(r"^(?:Replicated|Shared)(?=\w*MergeTree)")
_ARGUMENTS = re.compile(rf"^\w*MergeTree\((?:{_STRING}, {_STRING}(?:, |(?=\))))?((?:[^()]|\([^()]*\))*)\)")
_TARGET = re.compile(r" ((?:REFRESH .*)?TO \S+)")


def engine_of(engine: str, full: str) -> str:
    """Return an engine with its arguments, such as ``ReplacingMergeTree(version)``.

    Left out is what replication adds: the word before the name, and path and replica before the arguments.

    Args:
        engine: Its name.
        full: What comes after ``ENGINE =``.
    """
    found = _ARGUMENTS.match(full)
    return _PLACED.sub("", engine) + (f"({found[1]})" if found and found[1] else "")


def target_of(statement: str) -> str:
    """Return the table that a materialized view's CREATE names, after ``REFRESH … TO`` if it waits for that."""
    found = _TARGET.search(re.split(r" \(| AS ", statement, maxsplit=1)[0])
    return found[1].removeprefix("TO ") if found else ""


def has_ttl(statement: str) -> bool:
    """Whether a table's CREATE says when rows, or values of a column, go away."""
    return bool(re.search(r"\bTTL\b", _QUOTED.sub("", statement)))


def unqualified(text: str, database: str) -> str:
    """Return SQL with the tables of a database named as from inside it."""
    name = re.escape(database)
    return re.sub(rf"\b(FROM|JOIN|IN|TO) (?:{name}|`{name}`)\.", r"\1 ", text)
