"""Native blocks in the newer framing, which clickhouse-go (and so Grafana's own plugin) asks for.

ClickHouse's HTTP interface writes Native blocks as ``client_protocol_version`` wants them. chDB takes no such version
and writes the oldest form: blocks without block info and columns without the mark of custom serialization. Both are
put in here while the blocks pass; the columns' bytes stay as they are: they are copied, not understood.
"""

import os
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO

from console.sqldoor.exceptions import NOT_IMPLEMENTED, DoorError, door_error

_WIDTHS = {
    "Bool": 1,
    "Date": 2,
    "Date32": 4,
    "DateTime": 4,
    "DateTime64": 8,
    "Enum8": 1,
    "Enum16": 2,
    "IPv4": 4,
    "IPv6": 16,
    "Nothing": 1,
    "Time": 4,
    "Time64": 8,
    "UUID": 16,
}
_NUMBER = re.compile(r"(?:UInt|Int|Float|BFloat)(8|16|32|64|128|256)")
_FIELD_NAME = re.compile(r"(?:\w+|`(?:[^`\\]|\\.)*`)\s+(?=[A-Z])")
_PIECE = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type's name and the text of its arguments."""

    name: str
    arguments: tuple[str, ...]

    def inner(self, index: int = 0) -> "ColumnType":
        """Return an argument that is a type, without the field's name that it may have."""
        return read_type(_FIELD_NAME.sub("", self.arguments[index], count=1))

    def width(self) -> int | None:
        """Return how many bytes each value takes; None when that differs, or the type is unknown."""
        if number := _NUMBER.fullmatch(self.name):
            return int(number[1]) // 8
        if self.name == "FixedString":
            return int(self.arguments[0])
        if self.name == "Decimal":
            precision = int(self.arguments[0])
            return next(width for most, width in ((9, 4), (18, 8), (38, 16), (76, 32)) if precision <= most)
        return 8 if self.name.startswith("Interval") else _WIDTHS.get(self.name)


def read_type(text: str) -> ColumnType:
    """Take a type's name apart at its outermost parentheses and commas."""
    name, opening, rest = text.strip().partition("(")
    if not opening:
        return ColumnType(name, ())
    arguments, depth = [""], 0
    for piece in _PIECE.findall(rest.removesuffix(")")):
        depth += (piece == "(") - (piece == ")")
        if piece == "," and depth == 0:
            arguments.append("")
        else:
            arguments[-1] += piece
    return ColumnType(name, tuple(argument.strip() for argument in arguments if argument.strip()))


_HAS_KEYS = 1 << 9


class Copier:
    """Copies from a stream of Native blocks, piece by piece.

    Attributes:
        taken: What was copied since it was last emptied.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.taken = bytearray()

    def bytes(self, size: int) -> bytes:
        """Copy some bytes. Raises EOFError when the stream ends before."""
        piece = self._source.read(size)
        if len(piece) < size:
            raise EOFError
        self.taken += piece
        return piece

    def number(self) -> int:
        """Copy a number of variable length."""
        value = shift = 0
        while True:
            [byte] = self.bytes(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def text(self) -> str:
        """Copy a string."""
        return self.bytes(self.number()).decode("utf-8", "surrogateescape")

    def column(self, kind: ColumnType, rows: int) -> None:
        """Copy a column. Raises DoorError when its type is unknown here."""
        self._prefix(kind)
        self._values(kind, rows)

    def _prefix(self, kind: ColumnType) -> None:
        match kind.name:
            case "LowCardinality":
                self.bytes(8)
            case "Array" | "Nullable" | "Nested" | "Tuple" | "Map":
                for index in range(len(kind.arguments)):
                    self._prefix(kind.inner(index))
            case "SimpleAggregateFunction":
                self._prefix(kind.inner(-1))

    def _values(self, kind: ColumnType, rows: int) -> None:
        if (width := kind.width()) is not None:
            self.bytes(width * rows)
            return
        match kind.name:
            case "String":
                for _ in range(rows):
                    self.bytes(self.number())
            case "Nullable":
                self.bytes(rows)
                self._values(kind.inner(), rows)
            case "LowCardinality":
                self._low_cardinality(kind.inner())
            case "Tuple" if not kind.arguments:
                self.bytes(rows)
            case "Tuple":
                self._each(kind, rows)
            case "Array" | "Nested" | "Map":
                offsets = self.bytes(8 * rows)
                if total := _integer(offsets[-8:]):
                    self._each(kind, total)
            case "SimpleAggregateFunction":
                self._values(kind.inner(-1), rows)
            case name:
                raise door_error(
                    NOT_IMPLEMENTED, f"Type {name[:100]} cannot be sent to this client; try another FORMAT"
                )

    def _each(self, kind: ColumnType, rows: int) -> None:
        for index in range(len(kind.arguments)):
            self._values(kind.inner(index), rows)

    def _low_cardinality(self, keys: ColumnType) -> None:
        flags = _integer(self.bytes(8))
        if flags & _HAS_KEYS:
            self._values(keys.inner() if keys.name == "Nullable" else keys, _integer(self.bytes(8)))
        self.bytes(_integer(self.bytes(8)) << (flags & 0xFF))


def _integer(raw: bytes) -> int:
    return int.from_bytes(raw, "little")


_WITH_CUSTOM_SERIALIZATION = 54454
"""The revision since which each column says whether its serialization is a special one."""

_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
"""Field 1, is_overflows: no; field 2, bucket_num: -1; end."""


class Reframer:
    """A pipe before a pipe: what is written into its file descriptor comes out reframed.

    Args:
        write_end: Where the reframed blocks go.
        revision: The client's client_protocol_version.
        gave_up: Called when no more can be taken: the writer should be stopped.
    """

    def __init__(self, write_end: int, revision: int, gave_up: Callable[[], None]) -> None:
        self._out = write_end
        self._marks = b"\x00" if revision >= _WITH_CUSTOM_SERIALIZATION else b""
        self._gave_up = gave_up
        self._error: DoorError | None = None

    def __enter__(self) -> int:
        """Return the file descriptor to write to."""
        read_end, self._in = os.pipe()
        self._thread = threading.Thread(
            target=self._work, args=(os.fdopen(read_end, "rb", 1024 * 1024),), name="sqldoor-native", daemon=True
        )
        self._thread.start()
        return self._in

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Wait until the last block has passed. Raises DoorError when one could not."""
        os.close(self._in)
        self._thread.join()
        if self._error:
            raise self._error

    def _work(self, source: BinaryIO) -> None:
        with source:
            try:
                while self._block(source):
                    pass
                return
            except DoorError as error:
                self._error = error
            except (OSError, EOFError):
                pass  # The client has left, or the query failed half-way and says so itself.
        with suppress(RuntimeError):
            self._gave_up()

    def _block(self, source: BinaryIO) -> bool:
        copier = Copier(source)
        copier.taken += _BLOCK_INFO
        try:
            columns = copier.number()
        except EOFError:
            return False
        rows = copier.number()
        for _ in range(columns):
            copier.text()
            kind = read_type(copier.text())
            copier.taken += self._marks
            if rows:
                copier.column(kind, rows)
        view = memoryview(copier.taken)
        while view:
            view = view[os.write(self._out, view) :]
        return True
