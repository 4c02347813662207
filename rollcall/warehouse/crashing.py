"""A crash inside the embedded engine ends the process, as a crash does everywhere else."""

import ctypes
import signal
from functools import cache

_CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT)


@cache
def die_of_crashes() -> None:
    """Undo chDB's handlers of fatal signals; call it once the engine is loaded.

    They leave the process alive with an engine that refuses everything (ClickHouse error 236), or hang it. Dead, it is
    started again by whoever supervises it, and what it had accepted is on the log. Not `signal.signal`, which only the
    main thread may call.
    """
    libc = ctypes.CDLL(None)
    libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    libc.signal.restype = ctypes.c_void_p
    for number in _CRASHES:
        libc.signal(number, None)  # SIG_DFL
