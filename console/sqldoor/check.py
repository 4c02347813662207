"""The check of a query's syntax tree: only known nodes, only functions and tables that may be read through the door.

Queries become trees by the engine's own parser. What is checked is a tree, and what runs is that tree written down
again: nothing in a query's text reaches the engine past the check. Where the engine cannot say a query as a tree, or
not without a loss, the query is refused.

Everything is refused that is not known to be harmless: kinds of nodes, functions, table functions, tables. The walk
also puts stand-ins in the place of system tables, and values in the place of ``{name:Identifier}``.
"""

import base64
import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from console.sqldoor import allowlist
from console.sqldoor.allowlist import Vocabulary
from console.sqldoor.exceptions import (
    ACCESS_DENIED,
    BAD_ARGUMENTS,
    NOT_IMPLEMENTED,
    READONLY,
    TOO_DEEP_RECURSION,
    UNKNOWN_FUNCTION,
    UNKNOWN_QUERY_PARAMETER,
    UNKNOWN_TABLE,
    DoorError,
    door_error,
)

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
    }
)
"""Nodes that do nothing but hold others."""

_UNION_KEYS = frozenset({"type", "union_mode", "list_of_modes", "list_of_selects"})
_UNION_FLAGS = frozenset({"is_outfile_append", "is_outfile_truncate", "is_into_outfile_with_stdout"})
_TABLE_KEYS = frozenset(
    {
        "type",
        "final",
        "sample_size",
        "sample_offset",
        "column_aliases",
        "database_and_table_name",
        "table_function",
        "subquery",
    }
)
_IN = frozenset(
    {
        "in",
        "notIn",
        "nullIn",
        "notNullIn",
        "globalIn",
        "globalNotIn",
        "globalNullIn",
        "globalNotNullIn",
    }
)
_TAKE_AN_AGGREGATE = frozenset({"arrayReduce", "arrayReduceInRanges"})
"""Functions whose first argument is the name of another function, as text."""

_HOST_NAMES = frozenset({"displayname", "fqdn", "fullhostname", "hostname"})
_DATABASES = frozenset({allowlist.DATABASE, "system", "information_schema", "INFORMATION_SCHEMA"})

DISPLAY_NAME = "rollcall"
"""What this engine calls itself; the machine's name is nobody's business."""

Scope = frozenset[str]


class QueryCheck:
    """The check of one query.

    Args:
        vocabulary: Functions that may be called.
        stand_ins: Subqueries to read in place of system tables, by the table's name.
        parameters: Values of the query's placeholders.
    """

    def __init__(self, vocabulary: Vocabulary, stand_ins: Mapping[str, Node], parameters: Mapping[str, str]) -> None:
        self._vocabulary = vocabulary
        self._stand_ins = stand_ins
        self._parameters = parameters

    def query(self, node: Node) -> None:
        """Check a SELECT with all that is in it, and rewrite it in place.

        Raises:
            DoorError: It is not allowed.
        """
        if node.get("type") != "SelectWithUnionQuery":
            raise door_error(READONLY, "Cannot execute query in readonly mode: this door takes queries")
        self._visit(node, frozenset())

    def expression(self, node: object) -> None:
        """Check an expression outside of a SELECT. Raises DoorError."""
        self._visit(node, frozenset())

    def table(self, node: Node, scope: Scope = frozenset()) -> str | None:
        """Check a table's name and return the system table to stand in for, if it is one.

        Raises:
            DoorError: It is not to be read here.
        """
        database, name = self._named(node)
        if database is None and name in scope:
            return None
        if database in (None, allowlist.DATABASE):
            if name in allowlist.WAREHOUSE_TABLES:
                return None
            raise door_error(UNKNOWN_TABLE, f"Unknown table expression identifier '{name[:100]}'")
        if database == "system" and name in self._stand_ins:
            return name
        if database == "system" and name in allowlist.SYSTEM_TABLES:
            return None
        if (
            database
            and database.lower() == "information_schema"
            and name.lower() in allowlist.INFORMATION_SCHEMA_TABLES
        ):
            return None
        raise _denied(f"{database}.{name}")

    def _visit(self, node: object, scope: Scope) -> None:
        if isinstance(node, list):
            for item in node:
                self._visit(item, scope)
        elif isinstance(node, dict):
            self._visit_node(node, scope)

    def _visit_node(self, node: Node, scope: Scope) -> None:
        match node.get("type"):
            case "SelectWithUnionQuery":
                self._union(node, scope)
            case "SelectQuery":
                self._select(node, scope)
            case "TableExpression":
                self._table_expression(node, scope)
            case "Function":
                self._function(node, scope)
            case "Identifier":
                self._identifier(node)
            case "QueryParameter":
                if node.get("param_type") == "Identifier":
                    raise door_error(NOT_IMPLEMENTED, "A placeholder of type Identifier cannot stand here")
            case "ColumnsApplyTransformer":
                if "func_name" in node:
                    self._may_call(node["func_name"])
                self._inside(node, scope)
            case "Literal":
                pass
            case "SetQuery":
                raise door_error(READONLY, "Cannot modify settings in readonly mode: leave the SETTINGS clause out")
            case kind if kind in _PLAIN:
                self._inside(node, scope)
            case kind:
                raise door_error(NOT_IMPLEMENTED, f"This door does not know what {kind} does")

    def _inside(self, node: Node, scope: Scope) -> None:
        for value in node.values():
            self._visit(value, scope)

    def _union(self, node: Node, scope: Scope, own: Scope = frozenset()) -> None:
        """Check SELECTs that stand together; `own` is the name of the recursive CTE whose body they are."""
        strange = node.keys() - _UNION_KEYS - {flag for flag in _UNION_FLAGS if node.get(flag) is False}
        if "settings_ast" in strange:
            self._visit(node["settings_ast"], scope)
        if strange:
            raise door_error(READONLY, "Cannot execute query in readonly mode: an answer goes to the client only")
        selects = node["list_of_selects"]["children"]
        for select in selects:
            self._visit(select, scope)
            # The names of the first SELECT's WITH hold in the others as well.
            if select is selects[0]:
                scope |= _with_names(select)
                # So does a recursive CTE's own name, but in a plain UNION ALL alone: in the first SELECT, in one
                # without others, and under UNION DISTINCT, EXCEPT and INTERSECT the engine reads the table called so.
                if set(node.get("list_of_modes", ())) == {"UNION_ALL"}:
                    scope |= own

    def _select(self, node: Node, scope: Scope) -> None:
        for element in node.get("with", {}).get("children", []):
            if element.get("type") != "WithElement":
                self._visit(element, scope)
                continue
            own = frozenset({element["name"]})
            if node.get("recursive_with"):
                self._recursive(element["subquery"], scope, own)
            else:
                self._visit(element["subquery"], scope)
            scope |= own
        for key, value in node.items():
            if key != "with":
                self._visit(value, scope)

    def _recursive(self, subquery: Node, scope: Scope, own: Scope) -> None:
        body = subquery.get("children", [])
        if subquery.keys() != {"type", "children"} or [one.get("type") for one in body] != ["SelectWithUnionQuery"]:
            raise door_error(NOT_IMPLEMENTED, "This form of WITH RECURSIVE is unknown here")
        self._union(body[0], scope, own)

    def _table_expression(self, node: Node, scope: Scope) -> None:
        if node.keys() - _TABLE_KEYS:
            raise door_error(NOT_IMPLEMENTED, "This way to read a table is unknown here")
        for key, value in node.items():
            if key not in ("database_and_table_name", "table_function"):
                self._visit(value, scope)
        if function := node.get("table_function"):
            # A view with parameters, such as user_usage(days = 30), looks like a table function.
            if function["name"] not in allowlist.TABLE_FUNCTIONS | allowlist.WAREHOUSE_TABLES:
                raise _denied(f"the table function {function['name']}")
            self._inside({key: value for key, value in function.items() if key != "type"}, scope)
        if (table := node.get("database_and_table_name")) and (name := self.table(table, scope)):
            stand_in = copy.deepcopy(self._stand_ins[name])
            stand_in["alias"] = table.get("alias", name)
            node.clear()
            node.update({"type": "TableExpression", "subquery": stand_in})

    def _function(self, node: Node, scope: Scope) -> None:
        self._may_call(node["name"])
        arguments = node.get("arguments", {}).get("children", [])
        if node["name"] in _IN and len(arguments) > 1 and arguments[1].get("type") == "Identifier":
            arguments[1] = self._table_or_column(arguments[1], scope)
        if node["name"] in _TAKE_AN_AGGREGATE:
            self._may_call(_function_named_by(arguments))
        if node["name"].lower() in _HOST_NAMES:
            alias = node.get("alias", f"{node['name']}()")
            node.clear()
            node.update({"type": "Literal", "value": {"field_type": "String", "value": DISPLAY_NAME}, "alias": alias})
            return
        self._inside({key: value for key, value in node.items() if key != "type"}, scope)

    def _may_call(self, name: str) -> None:
        if name not in self._vocabulary:
            raise door_error(UNKNOWN_FUNCTION, f"Function {name[:100]} does not exist, or may not be called here")

    def _table_or_column(self, node: Node, scope: Scope) -> Node:
        """Check what stands right of IN: a table to read, or a column.

        A column is returned as ``identity(column)``, which means the same: of a bare name that is no column where it
        stands, the engine would read the table or the file that is called so.
        """
        self._identifier(node)
        parts = node.get("name_parts", [node["name"]])
        if len(parts) == 1 and (parts[0] in scope or parts[0] in allowlist.WAREHOUSE_TABLES):
            return node
        if parts[0] in _DATABASES or parts[0] in allowlist.INTERNAL_TABLES:
            if len(parts) > 2 or self.table(node, scope) is not None:
                raise _denied(".".join(parts))
            return node
        return {"type": "Function", "name": "identity", "arguments": {"type": "ExpressionList", "children": [node]}}

    def _identifier(self, node: Node) -> None:
        """Put values in the place of ``{name:Identifier}``."""
        holes = [child for child in node.pop("children", []) if child.get("type") == "QueryParameter"]
        if not holes:
            return
        parts: list[str] = node.get("name_parts", [node["name"]])
        if len(holes) != sum(part == "" for part in parts):
            raise door_error(NOT_IMPLEMENTED, "This use of a placeholder of type Identifier is unknown here")
        names = iter(holes)
        filled = [part or self._value_of(next(names)["name"]) for part in parts]
        node["name"] = ".".join(filled)
        if len(filled) > 1:
            node["name_parts"] = filled

    def _value_of(self, parameter: str) -> str:
        try:
            return self._parameters[parameter]
        except KeyError:
            raise door_error(UNKNOWN_QUERY_PARAMETER, f"Substitution `{parameter[:100]}` is not set") from None

    def _named(self, node: Node) -> tuple[str | None, str]:
        self._identifier(node)
        parts: list[str] = node.get("name_parts", [node["name"]])
        if len(parts) > 2:
            raise _denied(node["name"])
        return (parts[0], parts[1]) if len(parts) == 2 else (None, parts[0])


def _function_named_by(arguments: list[Node]) -> str:
    """Return which aggregate function the first argument names, empty when it is no plain text."""
    literal = arguments[0].get("value", {}) if arguments and arguments[0].get("type") == "Literal" else {}
    return str(literal.get("value", "")).partition("(")[0].strip() if literal.get("field_type") == "String" else ""


def _with_names(select: Node) -> Scope:
    elements = select.get("with", {}).get("children", [])
    return frozenset(element["name"] for element in elements if element.get("type") == "WithElement")


def _denied(what: str) -> DoorError:
    return door_error(ACCESS_DENIED, f"default: Not enough privileges. {what[:200]} cannot be read through this door")
