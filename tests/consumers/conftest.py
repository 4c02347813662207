"""The writers' warehouse, on either engine."""

from ..warehouse.engines import clickhouse, warehouse, warehouse_url

__all__ = ["clickhouse", "warehouse", "warehouse_url"]
