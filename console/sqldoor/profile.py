"""The settings profile of the door: what a query may take, and which settings a request may change.

As in a profile of ClickHouse's: limits that hold every query, settings that may be lowered, settings that are followed
because they loosen nothing. Some settings in a URL mean nothing here, all others are refused.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from console.sqldoor.exceptions import (
    BAD_ARGUMENTS,
    READONLY,
    SETTING_CONSTRAINT_VIOLATION,
    door_error,
)

SettingValue = str | int | float

GRACE = 0.5
"""Seconds beyond its time after which a query that does not look at the clock is answered for, and killed."""

BODY_BYTES = 8 * 1024 * 1024
"""Largest request body; above the query's own limit only forms with many parameters come here."""

BODY_SECONDS = 20.0
"""Longest time for a request body to arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLimits:
    """What queries through the door may take.

    Attributes:
        seconds: Time of a query, sending its answer included.
        result_rows: Rows of an answer.
        result_bytes: Bytes of an answer, before it is formatted and compressed.
        read_rows: Rows read from tables.
        memory: Bytes of memory of a query.
        memory_together: Bytes of memory of all queries; beyond it the largest is ended.
        threads: Threads of a query.
        concurrent: Queries that run at once.
        waiting: Queries that wait for a slot; beyond it they are refused.
        wait_seconds: Longest time to wait for a slot, counted from when the request came.
        connections: Connections open at once; beyond it an idle one is closed, or the new one refused.
        query_bytes: Length of a query's text.
        stall_seconds: Longest time in which a client takes nothing of its answer.
    """

    seconds: float = 60.0
    result_rows: int = 10_000_000
    result_bytes: int = 4 * 1024**3
    read_rows: int = 2_000_000_000
    memory: int = 512 * 1024**2
    memory_together: int = 1536 * 1024**2
    threads: int = 2
    concurrent: int = 4
    waiting: int = 32
    wait_seconds: float = 10.0
    connections: int = 256
    query_bytes: int = 256 * 1024
    stall_seconds: float = 30.0

    def lowerable(self) -> Mapping[str, float]:
        """Return the engine's settings that a request may lower, with our values."""
        return {
            "max_execution_time": self.seconds,
            "max_result_rows": self.result_rows,
            "max_result_bytes": self.result_bytes,
            "max_rows_to_read": self.read_rows,
            "max_memory_usage": self.memory,
            "max_threads": self.threads,
        }

    def engine_settings(self) -> dict[str, SettingValue]:
        """Return the settings that every query runs under, besides ``readonly``."""
        return {
            **self.lowerable(),
            "timeout_overflow_mode": "throw",
            "result_overflow_mode": "throw",
            "read_overflow_mode": "throw",
            # Sorting and grouping on disk would let a query fill the disk that facts are written to.
            "max_bytes_before_external_group_by": 0,
            "max_bytes_before_external_sort": 0,
            "max_bytes_ratio_before_external_group_by": 0,
            "max_bytes_ratio_before_external_sort": 0,
            # The checked query travels back to the engine as a literal, several times as long as its text.
            "max_query_size": 256 * max(self.query_bytes, 64 * 1024),
            "allow_ddl": 0,
            "allow_introspection_functions": 0,
            # What formatters hold is not counted as the query's memory, so they are given little to hold.
            "output_format_parallel_formatting": 0,
            "output_format_parquet_parallel_encoding": 0,
            "output_format_parquet_row_group_size": 100_000,
            "output_format_parquet_row_group_size_bytes": 32 * 1024**2,
        }


UNLIMITED = float(2**63 - 1)

FREE_LIMITS = frozenset(
    {
        "max_bytes_in_distinct",
        "max_bytes_in_join",
        "max_bytes_in_set",
        "max_bytes_to_read",
        "max_bytes_to_sort",
        "max_columns_to_read",
        "max_rows_in_distinct",
        "max_rows_in_join",
        "max_rows_in_set",
        "max_rows_to_group_by",
        "max_rows_to_sort",
        "max_temporary_columns",
    }
)
"""The engine's limits that are not the door's: whatever a request asks for is less than none."""

TABLE_FILTERS = "additional_table_filters"
"""The setting of Grafana's ad-hoc filters. It holds SQL in texts, so that `QueryCheck` has to look at it."""

FOLLOWED_SETTINGS = frozenset(
    {
        "aggregate_functions_null_for_empty",
        "bool_false_representation",
        "bool_true_representation",
        "date_time_output_format",
        "empty_result_for_aggregation_by_empty_set",
        "extremes",
        "format_csv_delimiter",
        "group_by_use_nulls",
        "join_use_nulls",
        "limit",
        "output_format_arrow_string_as_string",
        "output_format_csv_crlf_end_of_line",
        "output_format_json_array_of_rows",
        "output_format_json_escape_forward_slashes",
        "output_format_json_named_tuples_as_objects",
        "output_format_json_quote_64bit_floats",
        "output_format_json_quote_64bit_integers",
        "output_format_json_quote_decimals",
        "output_format_json_quote_denormals",
        "output_format_native_write_json_as_string",
        "output_format_pretty_color",
        "output_format_pretty_row_numbers",
        "output_format_tsv_crlf_end_of_line",
        "output_format_write_statistics",
        "session_timezone",
        "union_default_mode",
    }
)
"""Given to the engine: they change how an answer looks or how NULLs count, and loosen nothing."""

CHANGEABLE_SETTINGS = FOLLOWED_SETTINGS | FREE_LIMITS | {TABLE_FILTERS}
"""What a request may change besides the door's own limits."""

IGNORED_SETTINGS = frozenset(
    {
        "add_http_cors_header",
        "allow_experimental_analyzer",
        "async_insert",
        "buffer_size",
        "cancel_http_readonly_queries_on_client_close",
        "cast_string_to_dynamic_use_inference",
        "client_protocol_version",
        "date_time_input_format",
        "enable_http_compression",
        "http_headers_progress_interval_ms",
        "http_zlib_compression_level",
        "log_comment",
        "log_queries",
        "max_block_size",
        "network_compression_method",
        "network_zstd_compression_level",
        "priority",
        "query_id",
        "quota_key",
        "role",
        "send_logs_level",
        "send_progress_in_http_headers",
        "session_check",
        "session_id",
        "session_timeout",
        "stacktrace",
        "wait_end_of_query",
    }
)
"""What clients send as a habit; here there are no sessions, no inserts and nobody to bill."""


def read_settings(given: Mapping[str, str], limits: DoorLimits) -> dict[str, SettingValue]:
    """Return the settings to run a query under, besides our own.

    Args:
        given: Name and value of each setting in the URL or in a SETTINGS clause, but for `TABLE_FILTERS`.
        limits: Ours; a request may ask for less.

    Raises:
        DoorError: A setting is unknown, loosens a limit, or asks for what the door cannot do.
    """
    followed: dict[str, SettingValue] = {}
    ours = limits.lowerable()
    for name, value in given.items():
        if name in FOLLOWED_SETTINGS:
            followed[name] = value
        elif name in ours:
            followed[name] = _lowered(name, value, ours[name])
        elif name in FREE_LIMITS:
            followed[name] = _lowered(name, value, UNLIMITED)
        elif name == "readonly" and value in ("1", "2"):
            pass  # As read-only as can be, already.
        elif name == "result_overflow_mode" and value == "break":
            followed[name] = value
        elif name.endswith("_overflow_mode") and value == "throw":
            pass  # As it is.
        elif name not in IGNORED_SETTINGS:
            raise door_error(READONLY, f"Cannot modify '{name[:100]}' setting in readonly mode")
    return followed


def _lowered(name: str, value: str, ours: float) -> float:
    try:
        number = float(value)
    except ValueError:
        raise door_error(BAD_ARGUMENTS, f"Setting {name} wants a number") from None
    # Clients send their own timeout, clickhouse-go in every request: that is no wish to loosen anything.
    if name == "max_execution_time" and 0 < number < math.inf:
        return min(number, ours)
    # Zero means "no limit" to the engine; a NaN is no number to compare with.
    if not 1 <= number <= ours:
        raise door_error(SETTING_CONSTRAINT_VIOLATION, f"Setting {name} shouldn't be greater than {ours:g}")
    return int(number)
