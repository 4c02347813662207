"""Names of ClickHouse's types, taken apart."""

import re
from dataclasses import dataclass

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
class Type:
    """A type's name and the text of its arguments."""

    name: str
    arguments: tuple[str, ...]

    def inner(self, index: int = 0) -> "Type":
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


def read_type(text: str) -> Type:
    """Take a type's name apart at its outermost parentheses and commas."""
    name, opening, rest = text.strip().partition("(")
    if not opening:
        return Type(name, ())
    arguments, depth = [""], 0
    for piece in _PIECE.findall(rest.removesuffix(")")):
        depth += (piece == "(") - (piece == ")")
        if piece == "," and depth == 0:
            arguments.append("")
        else:
            arguments[-1] += piece
    return Type(name, tuple(argument.strip() for argument in arguments if argument.strip()))
