"""HTTP compression of answers, done by the engine."""

from collections.abc import Mapping

_OFFERED = ("zstd", "lz4", "gzip", "deflate")
"""Content-Encodings in the order in which we like them; the engine calls them by the same names."""


def chosen_encoding(parameters: Mapping[str, str], accepted: str) -> str:
    """Return the Content-Encoding of the answer, empty for none.

    As in ClickHouse, a client must ask by ``enable_http_compression=1`` besides naming what it accepts.

    Args:
        parameters: The URL's parameters.
        accepted: The Accept-Encoding header.
    """
    if parameters.get("enable_http_compression", "0") in ("", "0", "false"):
        return ""
    wanted = set()
    for part in accepted.split(","):
        name, _, weight = part.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            wanted.add(name.strip().lower())
    return next((name for name in _OFFERED if name in wanted), "")
