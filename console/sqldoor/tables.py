"""The tables that can be read through the door."""

from collections.abc import Iterable, Mapping

DATABASE = "default"
"""The warehouse's database in the embedded engine."""

WAREHOUSE = frozenset(
    {
        "accounts",
        "active_users_daily",
        "activity",
        "activity_sources",
        "current_snapshots",
        "directory_licenses",
        "directory_roles",
        "directory_seats",
        "directory_snapshots",
        "directory_users",
        "idle_licenses",
        "idle_licenses_over",
        "license_usage",
        "license_usage_30d",
        "schema_migrations",
        "site_days",
        "sites",
        "user_day_states",
        "user_days",
        "user_usage",
        "user_usage_30d",
        "webhook_coverage_daily",
    }
)
"""The warehouse's tables and views, see docs/warehouse.md. A test notices when a migration brings another."""

INTERNAL = frozenset(
    {"activity_in", "activity_in_to_activity", "activity_in_to_sources", "activity_in_to_user_day_states"}
)
"""The warehouse's way in: nothing to read there."""

SYSTEM = frozenset(
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

INFORMATION_SCHEMA = frozenset(
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


def stand_ins(shown_settings: Iterable[str], changeable_settings: Iterable[str]) -> Mapping[str, str]:
    """Return what is read in place of system tables that hold paths or settings.

    Args:
        shown_settings: Settings that clients may see.
        changeable_settings: Those of them that a request may change.
    """
    known = _literals(WAREHOUSE)
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
