"""Settings in a request's URL: some are followed, some mean nothing here, all others are refused."""

import math
from collections.abc import Mapping

from console.sqldoor.limits import DoorLimits
from console.sqldoor.refusal import BAD_ARGUMENTS, NOT_IMPLEMENTED, READONLY, SETTING_CONSTRAINT_VIOLATION, refused

FOLLOWED = frozenset(
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

IGNORED = frozenset(
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

_OFF = frozenset({"", "0", "false"})


def read_settings(given: Mapping[str, str], limits: DoorLimits) -> dict[str, str | float]:
    """Return the settings to run a query under, besides our own.

    Args:
        given: Name and value of each setting in the URL.
        limits: Ours; a request may ask for less.

    Raises:
        DoorError: A setting is unknown, loosens a limit, or asks for what the door cannot do.
    """
    followed: dict[str, str | float] = {}
    ours = limits.lowerable()
    for name, value in given.items():
        if name in FOLLOWED:
            followed[name] = value
        elif name in ours:
            followed[name] = _lowered(name, value, ours[name])
        elif name == "readonly" and value in ("1", "2"):
            pass  # As read-only as can be, already.
        elif name in ("compress", "decompress"):
            if value.lower() not in _OFF:
                raise refused(
                    NOT_IMPLEMENTED, f"{name}=1 (native compression) is unknown here; use enable_http_compression=1"
                )
        elif name.endswith("_overflow_mode") and value == "throw":
            pass  # As it is.
        elif name not in IGNORED:
            raise refused(READONLY, f"Cannot modify '{name[:100]}' setting in readonly mode")
    return followed


def _lowered(name: str, value: str, ours: float) -> float:
    try:
        wanted = float(value)
    except ValueError:
        raise refused(BAD_ARGUMENTS, f"Setting {name} wants a number") from None
    # Clients tell their own patience, clickhouse-go in every request: that is no wish to loosen anything.
    if name == "max_execution_time" and 0 < wanted < math.inf:
        return min(wanted, ours)
    # Zero means "no limit" to the engine; a NaN is no number to compare with.
    if not 1 <= wanted <= ours:
        raise refused(SETTING_CONSTRAINT_VIOLATION, f"Setting {name} shouldn't be greater than {ours:g}")
    return int(wanted)
