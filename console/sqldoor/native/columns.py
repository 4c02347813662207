"""Find where a column of a Native block ends: its bytes are copied, not understood."""

from typing import BinaryIO

from console.sqldoor.native.types import Type
from console.sqldoor.refusal import NOT_IMPLEMENTED, refused

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

    def column(self, kind: Type, rows: int) -> None:
        """Copy a column. Raises DoorError when its type is unknown here."""
        self._prefix(kind)
        self._values(kind, rows)

    def _prefix(self, kind: Type) -> None:
        match kind.name:
            case "LowCardinality":
                self.bytes(8)
            case "Array" | "Nullable" | "Nested" | "Tuple" | "Map":
                for index in range(len(kind.arguments)):
                    self._prefix(kind.inner(index))
            case "SimpleAggregateFunction":
                self._prefix(kind.inner(-1))

    def _values(self, kind: Type, rows: int) -> None:
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
                raise refused(NOT_IMPLEMENTED, f"Type {name[:100]} cannot be sent to this client; try another FORMAT")

    def _each(self, kind: Type, rows: int) -> None:
        for index in range(len(kind.arguments)):
            self._values(kind.inner(index), rows)

    def _low_cardinality(self, keys: Type) -> None:
        flags = _integer(self.bytes(8))
        if flags & _HAS_KEYS:
            self._values(keys.inner() if keys.name == "Nullable" else keys, _integer(self.bytes(8)))
        self.bytes(_integer(self.bytes(8)) << (flags & 0xFF))


def _integer(raw: bytes) -> int:
    return int.from_bytes(raw, "little")
