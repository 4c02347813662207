"""The server of the tests that speak to one, and a warehouse on it or on the embedded engine."""

from .engines import clickhouse, warehouse, warehouse_url

__all__ = ["clickhouse", "warehouse", "warehouse_url"]
