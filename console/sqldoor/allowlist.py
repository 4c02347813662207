"""What grants do not say: the functions, table functions and system tables that a query may use.

ClickHouse has no grants for functions, and lets everybody read most of its system tables. What tables of the warehouse
may be read is granted to the role of readers, in `rollcall/warehouse/access/users.xml`.
"""

from collections.abc import Iterable
from typing import Any

DATABASE = "default"
"""The warehouse's database in the embedded engine."""

INTERNAL_TABLES = frozenset(
    {
        "activity_in",
        "activity_in_to_account_month_states",
        "activity_in_to_account_types",
        "activity_in_to_activity",
        "activity_in_to_issue_projects",
        "activity_in_to_project_day_states",
        "activity_in_to_sources",
        "activity_in_to_touched_days",
        "activity_in_to_user_day_states",
        "forgotten_accounts",
    }
)
"""The warehouse's way in, which is granted to no reader; a test notices when a migration brings another."""

SYSTEM_TABLES = frozenset(
    {
        "aggregate_function_combinators",
        "collations",
        "columns",
        "data_skipping_indices",
        "data_type_families",
        "databases",
        "dictionaries",
        "formats",
        "functions",
        "keywords",
        "numbers",
        "numbers_mt",
        "one",
        "projections",
        "settings",
        "table_engines",
        "table_functions",
        "tables",
        "time_zones",
        "zeros",
        "zeros_mt",
    }
)
"""System tables that tell of the catalog, of which the engine shows what is granted, or of the engine's kind.

The others tell about queries, threads, users, disks and settings; grants close only some of them.
"""

TABLE_FUNCTIONS = frozenset({"SQLStandardValues", "generateSeries", "generate_series", "numbers", "numbers_mt"})
"""Table functions that make rows of nothing.

Grants refuse those that need a source or a temporary table. Left are some that take SQL as text, which nobody parses
here (``values('a String ALIAS file(…)', 1)``, ``generateRandom``, ``null``, ``input``, ``eval``), and ``merge``, which
reads system tables. ``(VALUES (1, 'a'))`` is SQLStandardValues, which takes rows only.
"""

VIEWS_QUERY = "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View'"
"""The views that are granted: with parameters, such as ``user_usage(days = 30)``, they look like table functions."""


def settings_query(shown: Iterable[str], changeable: Iterable[str]) -> str:
    """Return what is read in place of system.settings: clients look there for what a request may change.

    Args:
        shown: Settings that clients may see.
        changeable: Those of them that a request may change; the engine would say none, for it is read-only by then.
    """
    return (
        "SELECT name, value, changed, description, "  # noqa: S608 - our names
        f"toUInt8(name NOT IN ({_literals(changeable)})) AS readonly, type, `default` "
        f"FROM system.settings WHERE name IN ({_literals(shown)})"
    )


def _literals(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))


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

FUNCTIONS_QUERY = (
    "SELECT name, alias_to, case_insensitive, is_aggregate, categories FROM system.functions WHERE origin = 'System'"
)
"""The engine's list, for `Vocabulary`."""

COMBINATORS_QUERY = "SELECT name FROM system.aggregate_function_combinators"
"""Endings of aggregate functions, such as -If and -State, for `Vocabulary`."""


class Vocabulary:
    """The functions that may be called; whatever a newer engine adds outside the known groups is refused.

    Args:
        functions: Rows of `FUNCTIONS_QUERY`.
        combinators: Values of `COMBINATORS_QUERY`.
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
