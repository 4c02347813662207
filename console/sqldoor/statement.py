"""Statements: from a query's text to the one that runs, checked and written down again, and its answer's format."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from console.sqldoor import allowlist
from console.sqldoor.allowlist import Vocabulary
from console.sqldoor.check import Ask, Node, QueryCheck, parse_query, write_query
from console.sqldoor.exceptions import BAD_ARGUMENTS, READONLY, UNKNOWN_FORMAT, DoorError, door_error
from console.sqldoor.profile import FREE_LIMITS, TABLE_FILTERS, DoorLimits, SettingValue, read_settings

DEFAULT_FORMAT = "TabSeparated"

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
        raise door_error(UNKNOWN_FORMAT, f"Unknown format {name[:100]}, or one that cannot be read through this door")
    return known


# These have no tree, so what follows their keywords is parsed as SELECT * FROM it. Recognising them wrongly can only
# lead to a refusal: the statement that runs is made anew from the tree.
_ABOUT_A_TABLE = re.compile(
    r"(?:\s|--[^\n]*\n|/\*(?:[^*]|\*(?!/))*+\*/)*+"  # comments before it
    r"(?:(?P<describe>DESC(?:RIBE)?)(?:\s+TABLE)?|EXISTS(?:\s+(?P<exists>TABLE|VIEW|DICTIONARY|DATABASE))?"
    r"|(?P<create>SHOW\s+CREATE)(?:\s+(?:TABLE|VIEW))?)\s+(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_EXPLAINS = frozenset(
    {"EXPLAIN", "EXPLAIN AST", "EXPLAIN SYNTAX", "EXPLAIN QUERY TREE", "EXPLAIN PIPELINE", "EXPLAIN ESTIMATE"}
)
_FLAGS = frozenset({"is_outfile_append", "is_outfile_truncate", "is_into_outfile_with_stdout"})
_SHOWN = frozenset({"ShowTablesQuery", "ShowColumnsQuery", "ShowIndexesQuery"})
_SHOW_KEYS = _FLAGS | {
    "type",
    "case_insensitive_like",
    "database",
    "databases",
    "dictionaries",
    "extended",
    "from",
    "full",
    "like",
    "limit_length",
    "not_like",
    "table",
    "where_expression",
}
"""SHOW CLUSTERS, SETTINGS, MERGES and FILESYSTEM CACHES are SHOW TABLES to the parser, with keys of their own."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A checked statement.

    Attributes:
        sql: Its text, without FORMAT and SETTINGS clauses.
        format: The format that it asks for, empty for the default.
        settings: Settings to run it under, besides those of the request.
    """

    sql: str
    format: str
    settings: Mapping[str, SettingValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StatementReader:
    """Reads statements.

    Attributes:
        vocabulary: Functions that may be called.
        limits: What queries may take.
        views: Views that may be read.
        settings: Subquery in place of system.settings.
    """

    vocabulary: Vocabulary
    limits: DoorLimits
    views: Collection[str] = ()
    settings: Node = field(default_factory=dict)

    def read(self, ask: Ask, text: str, parameters: Mapping[str, str], table_filters: str = "") -> Statement:
        """Check a statement.

        Args:
            ask: Runs the door's own queries.
            text: The statement.
            parameters: Values of its placeholders.
            table_filters: The request's setting `additional_table_filters`; the statement's own counts more.

        Raises:
            DoorError: It cannot be parsed, or is not allowed.
        """
        check = QueryCheck(self.vocabulary, self.views, self.settings, parameters)
        sql, form = self._checked(ask, check, text)
        if not (check.settings or check.inner_settings or table_filters):
            return Statement(sql, form)
        return Statement(sql, form, self._settings_of(ask, check, table_filters))

    def _checked(self, ask: Ask, check: QueryCheck, text: str) -> tuple[str, str]:
        """Return a statement's checked text, and its format."""
        if found := _ABOUT_A_TABLE.fullmatch(text):
            return _about_a_table(ask, check, found)
        tree = parse_query(ask, text)
        form = _format_of(tree)
        check.take_settings(tree)
        match tree.get("type"):
            case "SelectWithUnionQuery":
                check.query(tree)
            case "ExplainQuery":
                _explain(check, tree)
            case kind if kind in _SHOWN:
                _show(check, tree)
            case _:
                raise _not_a_query()
        return write_query(ask, tree), form

    def _settings_of(self, ask: Ask, check: QueryCheck, table_filters: str) -> dict[str, SettingValue]:
        """Return the settings of a statement's clauses, as if the request had brought them.

        Those of a subquery hold for the whole statement, so only limits may stand there.
        """
        given = {change["name"]: change["value"] for change in check.settings}
        filters = given.pop(TABLE_FILTERS, None)
        settings = read_settings({name: _text_of(value) for name, value in given.items()}, self.limits)
        for change in check.inner_settings:
            if (name := change["name"]) not in self.limits.lowerable() and name not in FREE_LIMITS:
                raise door_error(READONLY, f"Cannot modify '{name[:100]}' setting in a subquery: set it at the end")
            [lowered] = read_settings({name: _text_of(change["value"])}, self.limits).values()
            if float(lowered) <= float(settings.get(name, lowered)):
                settings[name] = lowered
        if filters is None and table_filters:
            filters = {"field_type": "String", "value": table_filters}
        if filters is not None:
            settings[TABLE_FILTERS] = check.table_filters(ask, filters)
        return settings


def _text_of(value: Node) -> str:
    """Return a setting's value as a URL would have it."""
    match value.get("field_type"), value.get("value"):
        case "Bool", on:
            return str(int(bool(on)))
        case _, str() | int() | float() as plain:
            return str(plain)
    raise door_error(BAD_ARGUMENTS, "A setting's value is a text or a number")


def _format_of(tree: Node) -> str:
    """Take the FORMAT clause out of a tree; with EXPLAIN it may hang on the query within."""
    inner = tree["query"] if tree.get("type") == "ExplainQuery" and "query" in tree else tree
    clause = tree.pop("format_ast", None) or inner.pop("format_ast", None)
    return known_format(clause["name"]) if clause else ""


def _explain(check: QueryCheck, tree: Node) -> None:
    if tree.keys() - {"type", "kind", "settings", "query"} - _FLAGS or tree.get("kind") not in _EXPLAINS:
        raise _not_a_query()
    check.query(tree["query"])


def _show(check: QueryCheck, tree: Node) -> None:
    """Tables, columns and indexes are shown as far as they are granted."""
    if tree.keys() - _SHOW_KEYS or any(tree[flag] is not False for flag in tree.keys() & _FLAGS):
        raise _not_a_query()
    check.expression(tree.get("where_expression"))


def _about_a_table(ask: Ask, check: QueryCheck, found: re.Match[str]) -> tuple[str, str]:
    tree = parse_query(ask, f"SELECT * FROM {found['rest']}")  # noqa: S608 - parsed, never run
    form = _format_of(tree)
    check.take_settings(tree)
    selects = tree.get("list_of_selects", {}).get("children", [])
    if len(selects) != 1 or selects[0].keys() != {"type", "select", "tables"}:
        raise _not_a_query()
    elements = selects[0]["tables"]["children"]
    if len(elements) != 1 or elements[0].keys() != {"type", "table_expression"}:
        raise _not_a_query()
    table = elements[0]["table_expression"].get("database_and_table_name")
    name = check.parts(table) if table else []
    if (found["exists"] or "").upper() == "DATABASE" and len(name) == 1:  # a name alone: nothing of it is read
        return _exists("DATABASE", name), form
    check.query(tree)
    if found["describe"]:
        sql = f"DESCRIBE TABLE {_quoted(name) if name else f'({write_query(ask, tree)})'}"
    elif not name:
        raise _not_a_query()
    elif found["create"]:
        sql = f"SHOW CREATE TABLE {_quoted(name)}"
    else:
        sql = _exists((found["exists"] or "TABLE").upper(), name)
    return sql, form


def _exists(what: str, name: list[str]) -> str:
    """Return the query for EXISTS: of what is not granted, the engine would say only that it is not."""
    if what == "DATABASE":
        source = f"system.databases WHERE name = {_literal('.'.join(name))}"
    else:
        database, table = name if len(name) > 1 else (allowlist.DATABASE, *name)
        source = f"system.tables WHERE database = {_literal(database)} AND name = {_literal(table)}"
        source += {"VIEW": " AND endsWith(engine, 'View')", "DICTIONARY": " AND engine = 'Dictionary'"}.get(what, "")
    return f"SELECT toUInt8(count() > 0) AS result FROM {source}"  # noqa: S608 - literals


def _quoted(name: list[str]) -> str:
    return ".".join("`" + part.replace("\\", "\\\\").replace("`", "\\`") + "`" for part in name)


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _not_a_query() -> DoorError:
    return door_error(READONLY, "Cannot execute query in readonly mode: this door takes queries")
