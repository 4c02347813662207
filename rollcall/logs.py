"""Structured logging to stderr: one line an event, for people on a terminal and as JSON elsewhere.

No secret, no webhook body and no text of an issue is ever passed to a logger.
"""

import asyncio
import logging
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import stamina.instrumentation as retries
import structlog

_MINUTE = 60.0
_OURS = {"rollcall", "ingest", "reconcile", "consumers", "console"}


def configure_logging(level: str, form: Literal["auto", "console", "json"]) -> None:
    """Set up structlog and the standard library's loggers alike.

    Args:
        level: Least severe level to write: debug, info, warning or error.
        form: ``console``, ``json``, or ``auto`` for console on a terminal and JSON elsewhere.
    """
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    # Plain tracebacks: rich ones show local variables, and those may hold bodies and secrets.
    last: list[structlog.typing.Processor] = (
        [_for_a_terminal, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    # What is waited for, and why, is said where it is waited for: stamina knows neither, and says so at every try.
    retries.set_on_retry_hooks([])
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("uvicorn", "httpx", "httpcore", "httpx2", "httpcore2", "authlib", "clickhouse_connect"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    # It says each try again, and whoever asked says what became of it.
    logging.getLogger("urllib3").setLevel(max(logging.ERROR, root.level))
    # What uvicorn warns of, such as bytes that are no HTTP, any stranger can cause.
    logging.getLogger("uvicorn.error").filters = [EachOncePerMinute(logging.WARNING)]


def printable(text: str) -> str:
    """Show control characters as such: a name must not be able to write to the terminal or turn its direction."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def _for_a_terminal(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Make every value of a line printable; lines of libraries may quote what strangers sent."""
    kept = ("exception", "stack")  # tracebacks, which have lines
    return {
        name: printable(text) if isinstance(text, str) and name not in kept else text for name, text in event.items()
    }


class _ShownElsewhere(logging.Handler):
    """Gives each line to a function, written as another handler would write it."""

    def __init__(self, usual: logging.Handler, show: Callable[[str], None]) -> None:
        super().__init__(usual.level)
        self.setFormatter(usual.formatter)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._show(self.format(record))
        except Exception:  # as every handler does: what goes wrong with a line must not end what it tells of
            self.handleError(record)


@contextmanager
def log_lines_to(show: Callable[[str], None]) -> Iterator[None]:
    """Give the lines that are for stderr to a function within the block."""
    root = logging.getLogger()
    usual = list(root.handlers)
    root.handlers = [
        _ShownElsewhere(handler, show)
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr
        else handler
        for handler in usual
    ]
    try:
        yield
    finally:
        root.handlers = usual


def kind_and_place(error: BaseException) -> str:
    """Return what an error that nobody foresaw is and where it arose, such as ``KeyError in reconcile.run:12``.

    Never its text, which may quote whatever was being read.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    places = [
        f"{module}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if (module := str(frame.f_globals.get("__name__", ""))).partition(".")[0] in _OURS
    ]
    return f"{type(error).__name__} in {places[-1]}" if places else type(error).__name__


class OncePerMinute:
    """Lets the same line pass once a minute, however often there is cause for it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing said; `clock` returns seconds."""
        self._clock = clock
        self._passed: dict[object, float] = {}

    def allows(self, line: object) -> bool:
        """Return whether a line may pass, and note that it did."""
        now = self._clock()
        self._passed = {earlier: at for earlier, at in self._passed.items() if now - at < _MINUTE}
        if line in self._passed:
            return False
        self._passed[line] = now
        return True


class EachOncePerMinute(logging.Filter):
    """Lets the same message of a library pass once a minute; messages are the same when their templates are.

    Args:
        worst: What is more severe than this always passes.
    """

    def __init__(self, worst: int = logging.CRITICAL) -> None:
        super().__init__()
        self._lines = OncePerMinute()
        self._worst = worst

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record may pass."""
        return record.levelno > self._worst or self._lines.allows(record.msg)


LINES_A_MINUTE = 10
"""Lines of one kind that a `RationedLog` writes at most, before it sums up the others."""


class RationedLog:
    """Logs what anybody can cause: the first lines of a kind within a minute, and for all others one at its end.

    Used on a running event loop.

    Args:
        log: Where lines go.
    """

    def __init__(self, log: structlog.stdlib.BoundLogger) -> None:
        self._log = log
        self._caused: Counter[tuple[object, ...]] = Counter()

    def warning(self, event: str, kind: Mapping[str, object], /, **more: object) -> None:
        """Log a warning, or count it for the line that sums up.

        Args:
            event: What happened.
            kind: Fields that make it one of a kind; there must not be many kinds.
            more: Fields that differ from line to line; they are not in the line that sums up.
        """
        self._line(self._log.warning, event, kind, more)

    def info(self, event: str, kind: Mapping[str, object], /, **more: object) -> None:
        """Do the same as `warning`, as information."""
        self._line(self._log.info, event, kind, more)

    def _line(
        self, write: Callable[..., object], event: str, kind: Mapping[str, object], more: Mapping[str, object]
    ) -> None:
        key = (event, *kind.items())
        if not self._caused[key]:
            asyncio.get_running_loop().call_later(_MINUTE, self._sum_up, write, key, event, kind)
        self._caused[key] += 1
        if self._caused[key] <= LINES_A_MINUTE:
            write(event, **kind, **more)

    def _sum_up(
        self, write: Callable[..., object], key: tuple[object, ...], event: str, kind: Mapping[str, object]
    ) -> None:
        if (more := self._caused.pop(key, 0) - LINES_A_MINUTE) > 0:
            write(f"{event}, and more of the same", **kind, more=more, seconds=_MINUTE)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the structured logger of a module."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound
