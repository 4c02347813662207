"""Native blocks in the newer framing, which clickhouse-go (and so Grafana's own plugin) asks for."""

from console.sqldoor.native.reframing import Reframing

__all__ = ["Reframing"]
