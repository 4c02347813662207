"""Give Native blocks the frame of a newer protocol revision.

ClickHouse's HTTP interface writes Native blocks as ``client_protocol_version`` wants them. chDB takes no such version
and writes the oldest form: blocks without block info and columns without the mark of custom serialization. Both are
put in here while the blocks pass; the columns' bytes stay as they are.
"""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import BinaryIO

from console.sqldoor.native.columns import Copier
from console.sqldoor.native.types import read_type
from console.sqldoor.refusal import DoorError

_WITH_CUSTOM_SERIALIZATION = 54454
"""The revision since which each column says whether its serialization is a special one."""

_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
"""Field 1, is_overflows: no; field 2, bucket_num: -1; end."""


class Reframing:
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
