"""Which functions a query may call, by the engine's own list of them."""

from collections.abc import Iterable
from typing import Any

_CATEGORIES = frozenset(
    {
        "Aggregate Functions",
        "Arithmetic",
        "Arrays",
        "Bit",
        "Bitmap",
        "Comparison",
        "Conditional",
        "Dates and Times",
        "Encoding",
        "Financial",
        "Hash",
        "IP Address",
        "JSON",
        "Logical",
        "Map",
        "Mathematical",
        "Null",
        "Random Number",
        "Rounding",
        "String",
        "String Replacement",
        "String Search",
        "String Splitting",
        "Time Window",
        "Tuple",
        "Type Conversion",
        "URL",
        "UUID",
    }
)
"""Groups of functions that compute from their arguments alone. A group unknown here is refused."""

_OTHERS = frozenset(
    {
        "bar",
        "byteSize",
        "caseWithExpression",
        "countDigits",
        "currentDatabase",
        "currentQueryID",
        "currentUser",
        "defaultValueOfArgumentType",
        "defaultValueOfTypeName",
        "displayName",
        "errorCodeToName",
        "finalizeAggregation",
        "formatReadableDecimalSize",
        "formatReadableQuantity",
        "formatReadableSize",
        "formatReadableTimeDelta",
        "globalVariable",
        "hostName",
        "identity",
        "ignore",
        "indexHint",
        "isConstant",
        "isDecimalOverflow",
        "materialize",
        "neighbor",
        "parseReadableSize",
        "parseReadableSizeOrNull",
        "parseReadableSizeOrZero",
        "parseTimeDelta",
        "queryID",
        "revision",
        "rowNumberInAllBlocks",
        "rowNumberInBlock",
        "runningAccumulate",
        "runningDifference",
        "runningDifferenceStartingWithFirstValue",
        "toColumnTypeName",
        "toTypeName",
        "transform",
        "uptime",
        "variantElement",
        "variantType",
        "version",
        "visibleWidth",
    }
)
"""Single functions of the groups left out, among which are file(), getSetting(), dictGet() and sleep()."""

_SYNTAX = frozenset({"exists", "grouping", "lambda", "untuple"})
"""Functions of the grammar, which the engine's list does not have."""

_BANNED = frozenset(
    {
        # They take a format by name, and formats may read schema files.
        "formatRow",
        "formatRowNoNewline",
        "groupFormat",
        # They look into the process.
        "aggThrow",
        "flameGraph",
        # Quadratic in the length of one value, without a look at the clock.
        "arrayLevenshteinDistance",
        "arrayLevenshteinDistanceWeighted",
        "arraySimilarity",
        "damerauLevenshteinDistance",
        "editDistance",
        "editDistanceUTF8",
    }
)

COLUMNS = (
    "SELECT name, alias_to, case_insensitive, is_aggregate, categories FROM system.functions WHERE origin = 'System'"
)
"""The engine's list, for `Vocabulary`."""

COMBINATORS = "SELECT name FROM system.aggregate_function_combinators"
"""Endings of aggregate functions, such as -If and -State, for `Vocabulary`."""


class Vocabulary:
    """The functions that may be called; whatever a newer engine adds outside the known groups is refused.

    Args:
        functions: Rows of `COLUMNS`.
        combinators: Values of `COMBINATORS`.
    """

    def __init__(self, functions: Iterable[dict[str, Any]], combinators: Iterable[str]) -> None:
        rows = {row["name"]: row for row in functions}
        self._exact = set(_SYNTAX)
        self._any_case: set[str] = set()
        self._aggregates: set[str] = set()
        self._combinators = tuple(combinators)
        for name, row in rows.items():
            meant = rows.get(row["alias_to"], row)
            if meant["name"] in _BANNED or not _harmless(meant):
                continue
            self._exact.add(name)
            if row["case_insensitive"]:
                self._any_case.add(name.lower())
            if row["is_aggregate"]:
                self._aggregates.update({name, name.lower()} if row["case_insensitive"] else {name})

    def __contains__(self, name: str) -> bool:
        return name in self._exact or name.lower() in self._any_case or self._combined(name)

    def _combined(self, name: str) -> bool:
        for ending in self._combinators:
            if name.endswith(ending):
                base = name.removesuffix(ending)
                return base in self._aggregates or base.lower() in self._aggregates or self._combined(base)
        return False


def _harmless(row: dict[str, Any]) -> bool:
    # inIgnoreSet and its like take a table as their second argument, forbidden ones and files included.
    if row["name"].endswith("IgnoreSet"):
        return False
    groups = {group.strip() for group in row["categories"].split(",")}
    return row["name"] in _OTHERS or groups <= _CATEGORIES
