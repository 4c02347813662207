"""What goes wrong with a move."""

from rollcall.errors import RollcallError


class MoveError(RollcallError):
    """The move cannot go on or did not bring over what it should; the text says which file or table, and what to do."""
