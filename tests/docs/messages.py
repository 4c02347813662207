"""The messages that an operator may meet of `check`, of `reconcile` and of the page, found in the code itself.

What makes a text a message is where it stands: in an error of Rollcall's own, a finding, a gap, a notice, a line of the
log at warning or above, a text returned to be part of one of these, or a part of a template that tells of trouble.
What is known only at run time is a hole, written …, as in docs/operations.md.

Not here: the errors of validators in `rollcall/settings`. Each is a line below "settings cannot be used", beside its
setting's name.
"""

import ast
import builtins
import importlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import typer

from ingest.refusals import MEANINGS
from rollcall.errors import NotUnderstoodError, RollcallError

from .pages import ROOT

SCOPE = ("console", "consumers", "reconcile", "rollcall")
"""Whose messages reach an operator of the three."""
ELSEWHERE = (
    "console/backup/",
    "console/commands/",
    "console/demo/",
    "console/sqldoor/",
    "console/transfer/",
    "console/dead_letter_queue.py",
)
"""What belongs to other commands, to the demo and to the SQL door."""
ALL_THE_SAME = ("console/commands/reconciliation.py",)
TEMPLATES = ROOT / "console" / "web" / "templates"

HOLE = "…"
_MOST_VARIANTS = 24
_WORDS_OF_A_TEXT = 4
"""A shorter text that a function returns is a name or a part of a sentence."""


@dataclass(frozen=True)
class Message:
    """A text that an operator may meet, with its place in the code."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@cache
def messages() -> tuple[Message, ...]:
    """Return all of them, each once."""
    found = [one for path in _modules() for one in of_module(path)]
    found += [one for path in sorted(TEMPLATES.glob("*.html")) for one in of_template(path)]
    found += [Message(f"ingest/refusals.py, {reason}", f"`{reason}`") for reason in MEANINGS]
    return tuple(dict.fromkeys(found))


def _modules() -> list[Path]:
    files = [file for folder in SCOPE for file in sorted((ROOT / folder).rglob("*.py"))]
    return [file for file in files if _is_in_scope(file.relative_to(ROOT).as_posix())]


def _is_in_scope(name: str) -> bool:
    return name in ALL_THE_SAME or not (name.startswith(ELSEWHERE) or name.endswith("__main__.py"))


def of_module(path: Path, source: str | None = None) -> list[Message]:
    """Return the messages of a module.

    Args:
        path: Where it is.
        source: What to read in place of the file.
    """
    return list(_Module(path, source or path.read_text(encoding="utf-8")).messages())


class _Module:
    """The messages of one module."""

    def __init__(self, path: Path, source: str) -> None:
        self._name = path.relative_to(ROOT).as_posix()
        self._tree = ast.parse(source)
        dotted = self._name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        self._module: ModuleType = importlib.import_module(dotted)
        self._assigned: dict[str, list[ast.expr]] = {}

    def messages(self) -> Iterator[Message]:
        yield from self._within(self._tree)

    def _within(self, block: ast.AST) -> Iterator[Message]:
        """Yield the messages of a module, or of a function with what it assigns to names of its own."""
        nodes, functions = _body(block)
        before, self._assigned = self._assigned, _assignments(nodes)
        for node in nodes:
            for text in dict.fromkeys(self._of(node)):
                yield Message(f"{self._name}:{getattr(node, 'lineno', 0)}", " ".join(text.split()))
        for function in functions:
            yield from self._within(function)
        self._assigned = before

    def _of(self, node: ast.AST) -> list[str]:
        match node:
            case ast.Call():
                return [text for text in self._of_call(node) if _says_something(text)]
            case ast.Raise(exc=ast.Call() as call) if not self._is_foreign(call.func):
                return [text for text in self._of_first(call) if _says_something(text)]
            case ast.Return(value=ast.expr() as value) | ast.Yield(value=ast.expr() as value) if self._returns_words:
                return [text for text in self._variants(value) if _is_a_text(text)]
            case ast.Assign(value=value) if node in self._tree.body and self._name.startswith("reconcile/"):
                values = value.values if isinstance(value, ast.Dict) else [value]
                return [text for one in values for text in self._variants(one) if _is_a_text(text)]
            case _:
                return []

    @property
    def _returns_words(self) -> bool:
        return not self._name.startswith("console/web/")

    def _of_call(self, call: ast.Call) -> list[str]:
        """Return the texts of a call that makes or tells a message."""
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        keywords = {one.arg: one.value for one in call.keywords}
        if name == "Finding":
            return self._of_finding(call)
        if name == "Remark":
            return self._joined(call.args[1:])
        if name in ("note", "Gap") and call.args:
            return [f"missing: {what}" for what in self._variants(call.args[0]) if _says_something(what)]
        if name in ("skip", "_skip") and call.args:
            return [f"skipped: {text}" for text in self._variants(call.args[0]) if " " in text]
        if name in ("reading", "add") and owner.endswith("gaps") and len(call.args) > 1:
            return [text for text in self._variants(call.args[1]) if " " in text]
        if name == "replace" and "unread" in keywords:
            return self._variants(keywords["unread"])
        told = name in ("warning", "error") and owner.lower().endswith("log")
        if (
            told
            or name in ("print_error", "Notice", "BadParameter")
            or (name == "append" and owner.endswith("missing"))
        ):
            return self._of_first(call)
        if name in ("_form", "Response") and self._name.startswith("console/web/"):
            return [text for one in call.args for text in self._variants(one) if " " in text]
        kind = self._class_of(call.func) or self._class_of_local(name)
        if kind and issubclass(kind, RollcallError) and not issubclass(kind, NotUnderstoodError):
            return self._of_first(call)
        return []

    def _of_finding(self, call: ast.Call) -> list[str]:
        """Return subject, finding and remedy as one text; nothing of a finding that always is as it should be."""
        values = [*call.args, *(one.value for one in call.keywords)]
        if isinstance(values[1], ast.Constant) and values[1].value is True:
            return []
        return self._joined([values[0], *values[2:]])

    def _of_first(self, call: ast.Call) -> list[str]:
        return self._variants(call.args[0]) if call.args else []

    def _joined(self, values: list[ast.expr]) -> list[str]:
        every = itertools.product(*(self._variants(one) for one in values))
        return ["; ".join(parts) for parts in itertools.islice(every, _MOST_VARIANTS)]

    def _is_foreign(self, func: ast.expr) -> bool:
        """Whether it is an error that is not Rollcall's, and so none for people."""
        kind = self._class_of(func)
        if kind is typer.BadParameter:
            return False
        if kind is None and isinstance(func, ast.Name | ast.Call):
            return self._value_of(func) is not None  # a function, whose own text is found there
        if kind is None or issubclass(kind, NotUnderstoodError):
            return True
        ours = kind.__module__ == self._module.__name__ and self._name.startswith("reconcile/")
        return not (ours or issubclass(kind, RollcallError))

    def _class_of(self, func: ast.expr) -> type | None:
        if isinstance(func, ast.IfExp):
            return self._class_of(func.body) or self._class_of(func.orelse)
        found = self._value_of(func)
        return found if isinstance(found, type) else None

    def _class_of_local(self, name: str) -> type | None:
        """Return the class that a name of a function stands for, where it is chosen at run time."""
        return next((kind for one in self._assigned.get(name, []) if (kind := self._class_of(one))), None)

    def _value_of(self, node: ast.expr) -> object:
        if isinstance(node, ast.Name):
            return getattr(self._module, node.id, getattr(builtins, node.id, None))
        if isinstance(node, ast.Attribute):
            return getattr(self._value_of(node.value), node.attr, None)
        return None

    def _variants(self, node: ast.expr, depth: int = 0) -> list[str]:
        """Return what a text may be, with holes where the code does not say."""
        again = depth + 1
        match node:
            case ast.Constant(value=str() as text):
                return [text]
            case ast.JoinedStr(values=values):
                return self._product([self._variants(one, again) for one in values])
            case ast.FormattedValue(value=value):
                known = self._value_of(value)
                return [known] if isinstance(known, str) else [HOLE]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._product([self._variants(left, again), self._variants(right, again)])
            case ast.IfExp(body=one, orelse=other):
                return [*self._variants(one, again), *self._variants(other, again)]
            case ast.BoolOp(op=ast.Or(), values=values):
                return [text for one in values for text in self._variants(one, again)]
            case ast.Call(func=ast.Attribute(value=ast.Constant(), attr="join"), args=[value]):
                return self._of_lines(value)
            case ast.Call(func=ast.Attribute(value=value, attr="strip")):
                return self._variants(value, again)
            case ast.Name(id=name) if depth < 2:
                known = self._value_of(node)
                if isinstance(known, str):
                    return [known]
                local = [text for one in self._assigned.get(name, []) for text in self._variants(one, again)]
                return list(dict.fromkeys(local)) or [HOLE]
            case _:
                return [HOLE]

    def _of_lines(self, node: ast.expr) -> list[str]:
        """Return what the lines of a list may be together."""
        if isinstance(node, ast.Name):
            return [text for one in self._assigned.get(node.id, []) for text in self._of_lines(one)] or [HOLE]
        return self._joined(node.elts) if isinstance(node, ast.List) else [HOLE]

    @staticmethod
    def _product(parts: list[list[str]]) -> list[str]:
        return ["".join(some) for some in itertools.islice(itertools.product(*parts), _MOST_VARIANTS)]


def _body(block: ast.AST) -> tuple[list[ast.AST], list[ast.AST]]:
    """Return the nodes of a module or function without those of the functions in it, and these functions."""
    nodes: list[ast.AST] = []
    functions: list[ast.AST] = []
    waiting = list(ast.iter_child_nodes(block))
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions.append(node)
        else:
            nodes.append(node)
            waiting = [*ast.iter_child_nodes(node), *waiting]
    return nodes, functions


def _assignments(nodes: list[ast.AST]) -> dict[str, list[ast.expr]]:
    found: dict[str, list[ast.expr]] = {}
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found.setdefault(name, []).append(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                found.setdefault(name, []).append(value)
    return found


def _says_something(text: str) -> bool:
    """Whether there is more in it than holes; what fills them is a message of its own."""
    return re.search("[A-Za-z]{3}", text) is not None


_CODE = re.compile(r"\n|\bSELECT\b|\bORDER BY\b|\bSYSTEM SYNC\b")


def _is_a_text(text: str) -> bool:
    """Whether it is a sentence or a part of one, and no name, query or header."""
    return len(re.findall("[A-Za-z]{2,}", text)) >= _WORDS_OF_A_TEXT and " " in text and not _CODE.search(text)


_SECTION = re.compile(r'<section class="card (?:next|refused)".*?</section>', re.DOTALL)


def _elements(page: str, *tags: str) -> list[tuple[str, str]]:
    """Return attributes and content of every element of these tags."""
    return [found for tag in tags for found in re.findall(rf"<{tag}\b([^>]*)>(.*?)</{tag}>", page, re.DOTALL)]


def of_template(path: Path) -> Iterator[Message]:
    """Yield what tells of trouble or of a next step: notices, what is marked bad, and cards that say what to do."""
    page = re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    told = [text for card in _SECTION.findall(page) for _, text in _elements(card, "h1", "h2", "p", "li")]
    told += [
        text for marks, text in _elements(page, "p", "div", "span") if re.search(r"\b(notice|bad|nobody|hint)\b", marks)
    ]
    told += [text for _, text in _elements(page, "strong") if _is_a_text(text)]
    for text in dict.fromkeys(told):
        yield from (Message(path.name, one) for one in rendered(text) if _says_something(one))


def _shown(expression: str) -> list[str]:
    """Return the words that an expression of a template may show."""
    words = re.findall(r'"([^"]*)"', expression)
    return words if words and " if " in expression else [*words, HOLE]


_BLOCK = re.compile(r"</?(?:d[tdl]|h\d|p|li|div)\b[^>]*>")
"""Marks with a space around them."""


def rendered(text: str) -> list[str]:
    """Return the text without marks; where it chooses between two words, each in turn."""
    choices = [
        _shown(part) if part.startswith("{{") else [part]
        for part in re.split(r"(\{\{.*?\}\})", re.sub(r"\{%.*?%\}", " ", text, flags=re.DOTALL))
    ]
    every = ["".join(some) for some in itertools.islice(itertools.product(*choices), _MOST_VARIANTS)]
    spaced = [_BLOCK.sub(" ", one) for one in every]
    return [" ".join(re.sub(r"<[^>]*>", "", one).split()) for one in spaced]
