"""What a query through the SQL door may take, and the engine's settings that hold it to that."""

from collections.abc import Mapping
from dataclasses import dataclass

Value = str | int | float

GRACE = 2.0
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
        threads: Threads of a query.
        concurrent: Queries that run at once.
        waiting: Queries that wait for their turn; beyond it they are refused.
        wait_seconds: Longest time to wait for a turn.
        query_bytes: Length of a query's text.
        stall_seconds: Longest time in which a client takes nothing of its answer.
    """

    seconds: float = 60.0
    result_rows: int = 10_000_000
    result_bytes: int = 4 * 1024**3
    read_rows: int = 2_000_000_000
    memory: int = 512 * 1024**2
    threads: int = 2
    concurrent: int = 4
    waiting: int = 32
    wait_seconds: float = 10.0
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

    def engine_settings(self) -> dict[str, Value]:
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
