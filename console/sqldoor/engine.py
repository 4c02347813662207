"""The door's own handles on the embedded engine."""

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from console.sqldoor import tables, vocabulary
from console.sqldoor.limits import DoorLimits, Value
from console.sqldoor.refusal import DoorError, engine_error
from console.sqldoor.statement import Reader
from console.sqldoor.syntax import Node, parse
from console.sqldoor.url_settings import FOLLOWED
from console.sqldoor.vocabulary import Vocabulary
from rollcall.warehouse.connecting import require_embedded_engine


class Handle:
    """A connection of one query, read-only for good; it is used on one thread."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def ask(self, sql: str) -> bytes:
        """Put one of our own questions about a query's text. Raises DoorError."""
        try:
            return bytes(self._connection.query(sql, "TSVRaw").bytes() or b"")
        except RuntimeError as error:
            raise engine_error(str(error), parsing=True) from None

    def run(self, sql: str, parameters: Mapping[str, str]) -> Any:
        """Run a statement that says itself where its answer goes; return chDB's result. Raises DoorError."""
        try:
            # The format in the statement counts; with Null here SHOW statements would answer nothing.
            # As bytes, because a query may hold some that are no text.
            query = sql.encode("utf-8", "surrogateescape")
            return self._connection.query(query, "TabSeparated", params=dict(parameters))
        except RuntimeError as error:
            raise engine_error(str(error)) from None


class Engine:
    """The embedded engine as the door sees it.

    One handle stays open to stop queries with and to keep the engine alive; every query has its own besides, so that
    no query meets settings of another.

    Args:
        path: The chDB folder, held by this process.
        limits: What queries may take.
    """

    def __init__(self, path: Path, limits: DoorLimits) -> None:
        self._path = str(path)
        self._limits = limits
        self._control: Any = None
        self._control_lock = threading.Lock()
        self.timezone = ""
        self.version = ""
        self.reader = Reader(Vocabulary([], []), {})

    def open(self) -> None:
        """Open the handle that stays, and ask the engine what it knows.

        Raises:
            SettingsError: The engine is not installed.
            RuntimeError: It cannot open.
        """
        require_embedded_engine()
        self._control = self._connect()
        [about] = self._rows("SELECT version() AS version, timezone() AS timezone")
        self.version, self.timezone = about["version"], about["timezone"]
        known = Vocabulary(self._rows(vocabulary.COLUMNS), [row["name"] for row in self._rows(vocabulary.COMBINATORS)])
        changeable = FOLLOWED | self._limits.lowerable().keys()
        with self.handle("", {}) as handle:
            stand_ins = {
                name: _subquery(parse(handle.ask, f"SELECT * FROM ({sql})"))  # noqa: S608 - our own text
                for name, sql in tables.stand_ins(changeable | {"readonly"}, changeable).items()
            }
        self.reader = Reader(known, stand_ins)

    @contextmanager
    def handle(self, mark: str, settings: Mapping[str, Value]) -> Iterator[Handle]:
        """Open a handle for one query.

        Args:
            mark: Lets `kill` find the query.
            settings: Settings besides the door's own.

        Raises:
            DoorError: The engine does not take a setting.
        """
        connection = self._connect()
        try:
            everything = self._limits.engine_settings() | dict(settings) | {"log_comment": mark}
            try:
                connection.query(f"SET {_assignments(everything.items())}")
                # Last, and for good: the engine lets nobody change a setting from here on, this one included.
                connection.query("SET readonly = 1")
            except RuntimeError as error:
                raise engine_error(str(error)) from None
            yield Handle(connection)
        finally:
            connection.close()

    def kill(self, mark: str) -> None:
        """Ask the engine to stop a query; it does when it next looks."""
        with self._control_lock:
            if self._control is not None:
                self._control.query(f"KILL QUERY WHERE Settings['log_comment'] = {_literal(mark)} ASYNC")

    def close(self) -> None:
        """Close the handle that stays. Queries still running keep theirs."""
        with self._control_lock:
            if self._control is not None:
                self._control.close()
                self._control = None

    def private(self, error: DoorError) -> DoorError:
        """Return an error without the folder's path, should the engine have named it."""
        return DoorError(error.code, error.body.replace(self._path, "…"))

    def _connect(self) -> Any:
        import chdb  # only here: it takes 200 MB, and most commands do without

        return chdb.connect(self._path)  # type: ignore[no-untyped-call]  # chdb has no types

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        lines = self._control.query(sql, "JSONEachRow").bytes().splitlines()
        return [json.loads(line) for line in lines]


def _assignments(settings: Iterable[tuple[str, Value]]) -> str:
    return ", ".join(f"{name} = {_literal(str(value))}" for name, value in settings)


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _subquery(tree: Node) -> Node:
    [element] = tree["list_of_selects"]["children"][0]["tables"]["children"]
    subquery: Node = element["table_expression"]["subquery"]
    return subquery
