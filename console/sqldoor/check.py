"""The check of a query's syntax tree, for what ClickHouse's grants do not forbid.

Tables are the grants' matter. What is left: functions that look beyond their arguments, table functions that take SQL
as text, system tables that tell of the process, settings (one of which is SQL in texts), and where the answer goes.

Queries become trees by the engine's own parser. What is checked is a tree, and what runs is that tree written down
again: nothing in a query's text reaches the engine past the check. Where the engine cannot say a query as a tree, or
not without a loss, the query is refused. So are kinds of nodes that are not known. The walk also puts values in the
place of ``{name:Identifier}``.
"""

import base64
import copy
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from console.sqldoor import allowlist
from console.sqldoor.allowlist import Vocabulary
from console.sqldoor.exceptions import (
    ACCESS_DENIED,
    BAD_ARGUMENTS,
    NOT_IMPLEMENTED,
    READONLY,
    SYNTAX_ERROR,
    TOO_DEEP_RECURSION,
    UNKNOWN_FUNCTION,
    UNKNOWN_QUERY_PARAMETER,
    DoorError,
    door_error,
)
from console.sqldoor.profile import TABLE_FILTERS

Node = dict[str, Any]
Ask = Callable[[str], bytes]
"""Runs one of our own statements and returns its one value, raw."""

_UNREADABLE_TREE = "Failed to parse JSON"
_INEXACT = "The query has a part that cannot be checked, such as the literal -0.0 or an integer just beyond 64 bits"


def parse_query(ask: Ask, text: str) -> Node:
    """Return a statement's tree.

    Raises:
        DoorError: It is no statement, more than one, or one that has no exact tree.
    """
    literal = _base64_literal(text.encode("utf-8", "surrogateescape"))
    try:
        answer = ask(
            f"WITH {literal} AS q, parseQueryToJSON(q) AS tree, "
            # Without parentheses: the tree has no redundant ones, and needed ones are its shape.
            "text -> replaceRegexpAll(text, '[()]', '') AS bare "
            "SELECT if(bare(formatQueryFromJSON(tree)) = bare(formatQuerySingleLine(q)), tree, '')"
        )
    except DoorError as error:
        if error.code != BAD_ARGUMENTS[0]:
            raise
        # A statement without a tree (none of them is a query), or a tree that the engine itself cannot read.
        if _UNREADABLE_TREE in error.body:
            raise door_error(NOT_IMPLEMENTED, _INEXACT) from None
        raise door_error(READONLY, "Cannot execute query in readonly mode: this door takes queries") from None
    if not answer.strip():
        raise door_error(NOT_IMPLEMENTED, _INEXACT)
    try:
        tree = json.loads(answer.decode("utf-8", "surrogateescape"))
    except RecursionError:
        raise door_error(TOO_DEEP_RECURSION, "The query is nested too deeply") from None
    if not isinstance(tree, dict):
        raise door_error(NOT_IMPLEMENTED, "The query cannot be checked")
    return tree


def write_query(ask: Ask, tree: Node) -> str:
    """Return a tree's text. Raises DoorError when it has none."""
    text = json.dumps(tree, ensure_ascii=False).encode("utf-8", "surrogateescape")
    return ask(f"SELECT formatQueryFromJSON({_base64_literal(text)})").decode("utf-8", "surrogateescape").rstrip("\n")


def _base64_literal(text: bytes) -> str:
    return f"base64Decode('{base64.b64encode(text).decode()}')"


_PLAIN = frozenset(
    {
        "ArrayJoin",
        "Asterisk",
        "ColumnsExceptTransformer",
        "ColumnsListMatcher",
        "ColumnsRegexpMatcher",
        "ColumnsReplaceTransformer",
        "ColumnsReplaceTransformerReplacement",
        "ColumnsTransformerList",
        "ExpressionList",
        "InterpolateElement",
        "OrderByElement",
        "QualifiedAsterisk",
        "QualifiedColumnsListMatcher",
        "QualifiedColumnsRegexpMatcher",
        "SampleRatio",
        "Subquery",
        "TableJoin",
        "TablesInSelectQuery",
        "TablesInSelectQueryElement",
        "WindowDefinition",
        "WindowListElement",
        "WithElement",
    }
)
"""Nodes that do nothing but hold others."""

_UNION_KEYS = frozenset({"type", "union_mode", "list_of_modes", "list_of_selects"})
_UNION_FLAGS = frozenset({"is_outfile_append", "is_outfile_truncate", "is_into_outfile_with_stdout"})
_FILTER_NODES = frozenset({"ExpressionList", "Function", "Identifier", "Literal"})
_MOST_FILTERS = 16
_TAKE_AN_AGGREGATE = frozenset({"arrayReduce", "arrayReduceInRanges"})
"""Functions whose first argument is the name of another function, as text."""

_SETS = frozenset(f"{start}{word}" for start in ("", "global") for word in ("in", "notin", "nullin", "notnullin"))
_HOST_NAMES = frozenset({"displayname", "fqdn", "fullhostname", "hostname"})

DISPLAY_NAME = "rollcall"
"""What this engine calls itself; the machine's name is nobody's business."""


class QueryCheck:
    """The check of one query.

    Args:
        vocabulary: Functions that may be called.
        views: Views that may be read, for those that take parameters.
        settings: Subquery to read in place of system.settings.
        parameters: Values of the query's placeholders.

    Attributes:
        settings: The changes of the statement's SETTINGS clauses, which `take_settings` and the walk take out of the
            tree: the engine lets a read-only connection change nothing.
        inner_settings: The same of subqueries.
    """

    def __init__(
        self, vocabulary: Vocabulary, views: Collection[str], settings: Node, parameters: Mapping[str, str]
    ) -> None:
        self._vocabulary = vocabulary
        self._views = views
        self._settings = settings
        self._parameters = parameters
        self.settings: list[Node] = []
        self.inner_settings: list[Node] = []

    def take_settings(self, tree: Node) -> None:
        """Take the SETTINGS clauses that hold for a whole statement out of its tree. Raises DoorError."""
        inner = tree["query"] if tree.get("type") == "ExplainQuery" and "query" in tree else tree
        last = inner
        while last.get("type") == "SelectWithUnionQuery":
            last = last["list_of_selects"]["children"][-1]
        clauses = [
            last.pop("settings", None) if last.get("type") == "SelectQuery" else None,
            inner.pop("settings_ast", None),
            tree.pop("settings_ast", None),
        ]
        for clause in filter(None, clauses):
            self.settings += _changes(clause)

    def query(self, node: Node) -> None:
        """Check a SELECT with all that is in it, and rewrite it in place.

        Raises:
            DoorError: It is not allowed.
        """
        if node.get("type") != "SelectWithUnionQuery":
            raise door_error(READONLY, "Cannot execute query in readonly mode: this door takes queries")
        self.expression(node)

    def expression(self, node: object) -> None:
        """Check anything within a statement. Raises DoorError."""
        if isinstance(node, list):
            for item in node:
                self.expression(item)
        elif isinstance(node, dict):
            self._visit(node)

    def table_filters(self, ask: Ask, given: Node) -> str:
        """Check the value of the setting `additional_table_filters`, and return it written down again.

        A filter is SQL in a text, and the engine adds it to the WHERE of a table of that name. Here it is an expression
        of columns, values and functions that may be called: no subquery, and no table right of IN.

        Args:
            ask: Runs the door's own queries.
            given: The value, as a node.

        Raises:
            DoorError: It is none, or not allowed.
        """
        if given.get("field_type") == "String":  # as the URL has it
            given = _filters_of(parse_query(ask, f"SELECT 1 SETTINGS {TABLE_FILTERS} = {given['value']}"))
        try:
            pairs = [[part["value"] for part in pair["value"]] for pair in given["value"]]
        except (KeyError, TypeError):
            pairs = [[]]
        if given.get("field_type") != "Map" or not all(map(_is_pair_of_texts, pairs)):
            raise door_error(BAD_ARGUMENTS, f"{TABLE_FILTERS} is a map of tables to filters")
        if len(pairs) > _MOST_FILTERS:
            raise door_error(BAD_ARGUMENTS, f"{TABLE_FILTERS} has more than {_MOST_FILTERS} tables")
        return "{" + ", ".join(f"{_literal(table)}: {_literal(self._filter(ask, text))}" for table, text in pairs) + "}"

    def _filter(self, ask: Ask, text: str) -> str:
        tree = parse_query(ask, f"SELECT {text}")
        select = _only_select(tree)
        if select.keys() != {"type", "select"} or len(select["select"]["children"]) != 1:
            raise door_error(SYNTAX_ERROR, f"Syntax error ({TABLE_FILTERS}): a filter is one expression")
        [expression] = select["select"]["children"]
        _require_plain(expression)
        self.expression(expression)
        return write_query(ask, tree).removeprefix("SELECT ")

    def parts(self, node: Node) -> list[str]:
        """Return the parts of a name, with values in the place of ``{name:Identifier}``.

        Raises:
            DoorError: A placeholder stands where we do not know it, or has no value.
        """
        holes = [child for child in node.pop("children", []) if child.get("type") == "QueryParameter"]
        parts: list[str] = node.get("name_parts", [node["name"]])
        if not holes:
            return parts
        if len(holes) != sum(part == "" for part in parts):
            raise door_error(NOT_IMPLEMENTED, "This use of a placeholder of type Identifier is unknown here")
        names = iter(holes)
        filled = [part or self._value_of(next(names)["name"]) for part in parts]
        node["name"] = ".".join(filled)
        if len(filled) > 1:
            node["name_parts"] = filled
        return filled

    def _visit(self, node: Node) -> None:
        match node.get("type"):
            case "SelectWithUnionQuery":
                strange = node.keys() - _UNION_KEYS - {flag for flag in _UNION_FLAGS if node.get(flag) is False}
                if strange:
                    raise door_error(
                        READONLY, "Cannot execute query in readonly mode: an answer goes to the client only"
                    )
                self._inside(node)
            case "TableExpression":
                self._table_expression(node)
            case "Function":
                self._function(node)
            case "Identifier" | "TableIdentifier":
                self._require_readable(self.parts(node))
            case "QueryParameter":
                if node.get("param_type") == "Identifier":
                    raise door_error(NOT_IMPLEMENTED, "A placeholder of type Identifier cannot stand here")
            case "ColumnsApplyTransformer":
                if "func_name" in node:
                    self._may_call(node["func_name"])
                self._inside(node)
            case "Literal":
                pass
            case "SelectQuery":
                if clause := node.pop("settings", None):
                    self.inner_settings += _changes(clause)
                self._inside(node)
            case kind if kind in _PLAIN:
                self._inside(node)
            case kind:
                raise door_error(NOT_IMPLEMENTED, f"This door does not know what {kind} does")

    def _inside(self, node: Node) -> None:
        for value in node.values():
            self.expression(value)

    def _table_expression(self, node: Node) -> None:
        if function := node.get("table_function"):
            name = function["name"]
            if name not in allowlist.TABLE_FUNCTIONS and name not in self._views and not _rows_in_place(function):
                raise _denied(f"the table function {name}")
            self._inside(function)
        self._inside({key: value for key, value in node.items() if key != "table_function"})
        if (table := node.get("database_and_table_name")) and self.parts(table) == ["system", "settings"]:
            stand_in = copy.deepcopy(self._settings)
            stand_in["alias"] = table.get("alias", "settings")
            node.clear()
            node.update({"type": "TableExpression", "subquery": stand_in})

    def _function(self, node: Node) -> None:
        self._may_call(node["name"])
        if node["name"] in _TAKE_AN_AGGREGATE:
            self._may_call(_function_named_by(node.get("arguments", {}).get("children", [])))
        if node["name"].lower() in _HOST_NAMES:
            alias = node.get("alias", f"{node['name']}()")
            node.clear()
            node.update({"type": "Literal", "value": {"field_type": "String", "value": DISPLAY_NAME}, "alias": alias})
            return
        self._inside(node)

    def _may_call(self, name: str) -> None:
        if name not in self._vocabulary:
            raise door_error(UNKNOWN_FUNCTION, f"Function {name[:100]} does not exist, or may not be called here")

    def _require_readable(self, parts: list[str]) -> None:
        """Refuse system tables that tell of the process, wherever the engine may take a name for one."""
        database, _, rest = ".".join(parts).partition(".")
        if database == "system" and rest.partition(".")[0] not in allowlist.SYSTEM_TABLES:
            raise _denied(".".join(parts))

    def _value_of(self, parameter: str) -> str:
        try:
            return self._parameters[parameter]
        except KeyError:
            raise door_error(UNKNOWN_QUERY_PARAMETER, f"Substitution `{parameter[:100]}` is not set") from None


def _changes(clause: Node) -> list[Node]:
    """Return the names and values of a SETTINGS clause. Raises DoorError when it has more than those."""
    if clause.keys() != {"type", "changes"}:
        raise door_error(READONLY, "Cannot modify settings in readonly mode: DEFAULT and parameters are not taken")
    changes: list[Node] = clause["changes"]
    return changes


def _filters_of(tree: Node) -> Node:
    """Return the value of the one setting of ``SELECT 1 SETTINGS …``; an empty node where a tree is anything else."""
    select = _only_select(tree)
    changes = _changes(select["settings"]) if select.keys() == {"type", "select", "settings"} else []
    return changes[0]["value"] if len(changes) == 1 else {}


def _only_select(tree: Node) -> Node:
    """Return the SELECT of a tree that is nothing else; an empty node where it is more."""
    selects = tree.get("list_of_selects", {}).get("children", [])
    whole = tree.keys() <= _UNION_KEYS | _UNION_FLAGS and not any(tree.get(flag) for flag in _UNION_FLAGS)
    return selects[0] if whole and len(selects) == 1 and selects[0].get("type") == "SelectQuery" else {}


def _is_pair_of_texts(pair: list[object]) -> bool:
    return len(pair) == 2 and all(isinstance(part, str) for part in pair)


def _require_plain(node: object) -> None:
    """Refuse what a filter may not hold: whatever is no column, value or function, and a table right of IN."""
    if isinstance(node, list):
        for item in node:
            _require_plain(item)
    elif isinstance(node, dict):
        if (kind := node.get("type")) not in _FILTER_NODES and kind is not None:
            raise door_error(NOT_IMPLEMENTED, f"{TABLE_FILTERS}: no {kind} is taken in a filter")
        if kind == "Function" and node["name"].lower() in _SETS:
            right = node.get("arguments", {}).get("children", [])[1:]
            if not all(one.get("type") in ("Function", "Literal") for one in right):
                raise door_error(NOT_IMPLEMENTED, f"{TABLE_FILTERS}: no table is taken right of IN")
        if kind != "Literal":
            for value in node.values():
                _require_plain(value)


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _rows_in_place(function: Node) -> bool:
    """Whether a table function is VALUES with rows of literals alone; a structure would be SQL in a string."""
    rows = function.get("arguments", {}).get("children", [])
    literal = all(row.get("type") == "Literal" and row.get("value", {}).get("field_type") == "Tuple" for row in rows)
    return function["name"].lower() == "values" and bool(rows) and literal


def _function_named_by(arguments: list[Node]) -> str:
    """Return which aggregate function the first argument names, empty when it is no plain text."""
    literal = arguments[0].get("value", {}) if arguments and arguments[0].get("type") == "Literal" else {}
    return str(literal.get("value", "")).partition("(")[0].strip() if literal.get("field_type") == "String" else ""


def _denied(what: str) -> DoorError:
    return door_error(ACCESS_DENIED, f"default: Not enough privileges. {what[:200]} cannot be read through this door")
