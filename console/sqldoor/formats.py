"""The output formats that answers can have."""

from console.sqldoor.refusal import UNKNOWN_FORMAT, refused

DEFAULT = "TabSeparated"

_TSV = "text/tab-separated-values; charset=UTF-8"
_CSV = "text/csv; charset=UTF-8; header={}"
_JSON = "application/json; charset=UTF-8"
_LINES = "application/x-ndjson; charset=UTF-8"
_TEXT = "text/plain; charset=UTF-8"
_BYTES = "application/octet-stream"

# Left out are formats that read a schema or template file, that hold the whole answer in memory (JSONColumns, ORC)
# or that belong to another protocol.
CONTENT_TYPES = {
    "Arrow": "application/vnd.apache.arrow.file",
    "ArrowStream": "application/vnd.apache.arrow.stream",
    "CSV": _CSV.format("absent"),
    "CSVWithNames": _CSV.format("present"),
    "CSVWithNamesAndTypes": _CSV.format("present"),
    "JSON": _JSON,
    "JSONCompact": _JSON,
    "JSONCompactEachRow": _LINES,
    "JSONCompactEachRowWithNames": _LINES,
    "JSONCompactEachRowWithNamesAndTypes": _LINES,
    "JSONCompactStrings": _JSON,
    "JSONCompactStringsEachRow": _LINES,
    "JSONEachRow": _LINES,
    "JSONLines": _LINES,
    "JSONObjectEachRow": _JSON,
    "JSONStrings": _JSON,
    "JSONStringsEachRow": _LINES,
    "Markdown": "text/markdown; charset=UTF-8",
    "MsgPack": "application/x-msgpack",
    "NDJSON": _LINES,
    "Native": _BYTES,
    "Null": _TEXT,
    "Parquet": "application/vnd.apache.parquet",
    "Pretty": _TEXT,
    "PrettyCompact": _TEXT,
    "PrettyCompactMonoBlock": _TEXT,
    "PrettyJSONEachRow": _JSON,
    "PrettySpace": _TEXT,
    "Raw": _TSV,
    "RowBinary": _BYTES,
    "RowBinaryWithNames": _BYTES,
    "RowBinaryWithNamesAndTypes": _BYTES,
    "TSKV": _TSV,
    "TSV": _TSV,
    "TSVRaw": _TSV,
    "TSVWithNames": _TSV,
    "TSVWithNamesAndTypes": _TSV,
    "TabSeparated": _TSV,
    "TabSeparatedRaw": _TSV,
    "TabSeparatedRawWithNames": _TSV,
    "TabSeparatedWithNames": _TSV,
    "TabSeparatedWithNamesAndTypes": _TSV,
    "Values": _TEXT,
    "Vertical": _TEXT,
    "XML": "application/xml; charset=UTF-8",
}
"""Format names as the engine spells them, with what to call them in Content-Type."""

_BY_LOWER = {name.lower(): name for name in CONTENT_TYPES}


def known_format(name: str) -> str:
    """Return the format as the engine spells it.

    Raises:
        DoorError: The door has no such format.
    """
    if (known := _BY_LOWER.get(name.lower())) is None:
        raise refused(UNKNOWN_FORMAT, f"Unknown format {name[:100]}, or one that cannot be read through this door")
    return known
