"""What a query may read and call: the tables of the warehouse, and functions by the engine's own list of them."""

from collections.abc import Iterable, Mapping
from typing import Any

DATABASE = "default"
"""The warehouse's database in the embedded engine."""

WAREHOUSE_TABLES = frozenset(
    {
        "account_types",
        "accounts",
        "active_users_daily",
        "activity",
        "activity_sources",
        "current_parts",
        "current_snapshots",
        "directory_licenses",
        "directory_roles",
        "directory_seats",
        "directory_snapshots",
        "directory_users",
        "idle_licenses",
        "idle_licenses_over",
        "known_account_types",
        "license_usage",
        "license_usage_30d",
        "log_positions",
        "schema_migrations",
        "site_days",
        "sites",
        "user_day_states",
        "user_days",
        "user_usage",
        "user_usage_30d",
        "warehouse_identity",
        "webhook_coverage_daily",
    }
)
"""The warehouse's tables and views, see docs/warehouse.md. A test notices when a migration brings another."""

INTERNAL_TABLES = frozenset(
    {
        "activity_in",
        "activity_in_to_account_types",
        "activity_in_to_activity",
        "activity_in_to_sources",
        "activity_in_to_user_day_states",
    }
)
"""The warehouse's way in: nothing to read there."""

SYSTEM_TABLES = frozenset(
    {
        "aggregate_function_combinators",
        "collations",
        "data_type_families",
        "formats",
        "functions",
        "keywords",
        "numbers",
        "numbers_mt",
        "one",
        "table_engines",
        "table_functions",
        "time_zones",
        "zeros",
        "zeros_mt",
    }
)
"""System tables that say nothing of this installation."""

INFORMATION_SCHEMA_TABLES = frozenset(
    {
        "character_sets",
        "collations",
        "columns",
        "engines",
        "key_column_usage",
        "referential_constraints",
        "schemata",
        "statistics",
        "tables",
        "views",
    }
)
"""Names and types of tables for BI tools; no paths, no settings."""

TABLE_FUNCTIONS = frozenset(
    {"SQLStandardValues", "generateSeries", "generate_series", "numbers", "numbers_mt", "zeros", "zeros_mt"}
)
"""Table functions that make rows of nothing.

Not ``values``: its first argument may be a structure, and that is SQL which nobody parses here (``a String ALIAS
file('/etc/passwd')``). ``(VALUES (1, 'a'))`` is SQLStandardValues, which takes rows only.
"""


def stand_in_queries(shown_settings: Iterable[str], changeable_settings: Iterable[str]) -> Mapping[str, str]:
    """Return what is read in place of system tables that hold paths or settings.

    Args:
        shown_settings: Settings that clients may see.
        changeable_settings: Those of them that a request may change.
    """
    known = _literals(WAREHOUSE_TABLES)
    return {
        "tables": (
            "SELECT database, name, name AS `table`, uuid, engine, is_temporary, metadata_modification_time, "  # noqa: S608 - our names
            "dependencies_database, dependencies_table, create_table_query, engine_full, as_select, "
            "parameterized_view_parameters, partition_key, sorting_key, primary_key, sampling_key, total_rows, "
            "total_bytes, comment, has_own_data "
            f"FROM system.tables WHERE database = '{DATABASE}' AND name IN ({known})"
        ),
        "columns": f"SELECT * FROM system.columns WHERE database = '{DATABASE}' AND table IN ({known})",  # noqa: S608 - our names
        "databases": (
            "SELECT name, name AS `database`, 'Atomic' AS engine, uuid, comment "  # noqa: S608 - our names
            f"FROM system.databases WHERE name = '{DATABASE}'"
        ),
        "settings": (
            "SELECT name, value, changed, description, "  # noqa: S608 - our names
            f"toUInt8(name NOT IN ({_literals(changeable_settings)})) AS readonly, type, `default` "
            f"FROM system.settings WHERE name IN ({_literals(shown_settings)})"
        ),
    }


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
