"""From a query's text to the one that runs: checked, and written down again from its tree."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from console.sqldoor import tables
from console.sqldoor.check import Check
from console.sqldoor.formats import known_format
from console.sqldoor.refusal import READONLY, DoorError, refused
from console.sqldoor.syntax import Ask, Node, parse, write
from console.sqldoor.vocabulary import Vocabulary

# These have no tree, so what follows their keywords is parsed as SELECT * FROM it. Recognising them wrongly can only
# lead to a refusal: the statement that runs is made anew from the tree.
_ABOUT_A_TABLE = re.compile(
    r"\s*(?:(?P<describe>DESC(?:RIBE)?)(?:\s+TABLE)?|(?P<exists>EXISTS)(?:\s+(?:TABLE|VIEW))?"
    r"|(?P<create>SHOW\s+CREATE)(?:\s+(?:TABLE|VIEW))?)\s+(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_EXPLAINS = frozenset(
    {"EXPLAIN", "EXPLAIN AST", "EXPLAIN SYNTAX", "EXPLAIN QUERY TREE", "EXPLAIN PIPELINE", "EXPLAIN ESTIMATE"}
)
_FLAGS = frozenset({"is_outfile_append", "is_outfile_truncate", "is_into_outfile_with_stdout"})
_SHOW_TABLES = frozenset(
    {
        "type",
        "databases",
        "full",
        "like",
        "not_like",
        "case_insensitive_like",
        "from",
        "where_expression",
        "limit_length",
    }
)
_SHOW_COLUMNS = frozenset(
    {"type", "database", "table", "full", "extended", "like", "not_like", "case_insensitive_like", "where_expression"}
)


@dataclass(frozen=True, slots=True)
class Statement:
    """A checked statement, without a FORMAT clause, and the format that it asks for (empty for the default)."""

    sql: str
    format: str


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads statements.

    Attributes:
        vocabulary: Functions that may be called.
        stand_ins: Subqueries in place of system tables.
    """

    vocabulary: Vocabulary
    stand_ins: Mapping[str, Node]

    def read(self, ask: Ask, text: str, parameters: Mapping[str, str]) -> Statement:
        """Check a statement.

        Args:
            ask: Puts the door's own questions to the engine.
            text: The statement.
            parameters: Values of its placeholders.

        Raises:
            DoorError: It cannot be parsed, or is not allowed.
        """
        check = Check(self.vocabulary, self.stand_ins, parameters)
        if found := _ABOUT_A_TABLE.fullmatch(text):
            return _about_a_table(ask, check, found)
        tree = parse(ask, text)
        form = _format_of(tree)
        match tree.get("type"):
            case "SelectWithUnionQuery":
                check.query(tree)
            case "ExplainQuery":
                _explain(check, tree)
            case "ShowTablesQuery":
                _show(check, tree, _SHOW_TABLES)
            case "ShowColumnsQuery":
                _show(check, tree, _SHOW_COLUMNS)
                check.table(
                    {"name": tree["table"], "name_parts": [tree.get("database") or tables.DATABASE, tree["table"]]}
                )
            case _:
                raise _not_a_query()
        return Statement(write(ask, tree), form)


def _format_of(tree: Node) -> str:
    """Take the FORMAT clause out of a tree; with EXPLAIN it may hang on the query within."""
    inner = tree["query"] if tree.get("type") == "ExplainQuery" and "query" in tree else tree
    clause = tree.pop("format_ast", None) or inner.pop("format_ast", None)
    return known_format(clause["name"]) if clause else ""


def _explain(check: Check, tree: Node) -> None:
    if tree.keys() - {"type", "kind", "settings", "query"} - _FLAGS or tree.get("kind") not in _EXPLAINS:
        raise _not_a_query()
    check.query(tree["query"])


def _show(check: Check, tree: Node, known: frozenset[str]) -> None:
    strange = {key for key in tree.keys() - known if key not in _FLAGS or tree[key] is not False}
    source = tree.get("from", {"name": tables.DATABASE})
    if strange or source.get("name") != tables.DATABASE:
        raise _not_a_query()
    check.expression(tree.get("where_expression"))


def _about_a_table(ask: Ask, check: Check, found: re.Match[str]) -> Statement:
    tree = parse(ask, f"SELECT * FROM {found['rest']}")  # noqa: S608 - parsed, never run
    form = _format_of(tree)
    selects = tree.get("list_of_selects", {}).get("children", [])
    if len(selects) != 1 or selects[0].keys() != {"type", "select", "tables"}:
        raise _not_a_query()
    elements = selects[0]["tables"]["children"]
    if len(elements) != 1 or elements[0].keys() != {"type", "table_expression"}:
        raise _not_a_query()
    named = "database_and_table_name" in elements[0]["table_expression"]
    stood_in = None
    if named:
        table = elements[0]["table_expression"]["database_and_table_name"]
        try:
            stood_in = check.table(table)
        except DoorError:
            if found["exists"]:
                return Statement("SELECT 0 AS result", form)
            raise
    check.query(tree)
    source = write(ask, tree)
    if found["exists"] and named:
        sql = "SELECT 1 AS result"
    elif found["create"] and named and not stood_in:
        sql = f"SHOW CREATE TABLE {_quoted(table)}"
    elif found["describe"]:
        sql = f"DESCRIBE TABLE {_quoted(table)}" if named and not stood_in else f"DESCRIBE TABLE ({source})"
    else:
        raise _not_a_query()
    return Statement(sql, form)


def _quoted(table: Node) -> str:
    """Write a table's name down; it is one of those that we know, so it needs no escapes."""
    return ".".join(f"`{part}`" for part in table.get("name_parts", [table["name"]]))


def _not_a_query() -> DoorError:
    return refused(READONLY, "Cannot execute query in readonly mode: this door takes queries")
