"""Logging: one JSON object per line on standard output, for the broker and for gunicorn.

Nobody who logs waits for a reader of standard output: finished lines go through a queue.
"""

import io
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from broker.output.lines import LineQueue
from broker.output.sinks import STANDARD_OUTPUT, DescriptorSink
from broker.settings import LogFormat, LogLevel
from broker.web.log_formats import DATE

EXIT_LIMIT = 1.0
"""Seconds that an ending process gives to its last lines."""
_log = logging.getLogger(__name__)


class LogLines(LineQueue):
    """Finished log lines on their way to a file descriptor; ``log.lost`` tells of a gap."""

    def __init__(self, descriptor: int) -> None:
        super().__init__("log", DescriptorSink(descriptor))
        self.count_losses(lambda: None)

    def count_losses(self, count: Callable[[], None]) -> None:
        """Call ``count``, which neither raises nor blocks, for each line without room."""
        self._count = count

    def lost_line(self, count: int) -> bytes:
        """Return ``log.lost``."""
        line = {"level": "ERROR", "logger": __name__, "event": "log.lost", "count": count}
        return _timed(line).encode() + b"\n"

    def on_loss(self) -> None:
        """Count it in the metrics."""
        self._count()

    def on_failure(self, error: OSError | None) -> None:
        """Note nothing: there is nowhere else to tell it."""


standard_output = LogLines(STANDARD_OUTPUT)
"""Where the lines of this process go; the one queue for it, however often logging is set up."""


class LineHandler(logging.Handler):
    """Hands lines on; one that cannot be made is replaced."""

    def __init__(self, lines: LogLines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Make the line and hand it on; waits for nobody."""
        self._lines.put(self.format(record).encode(errors="backslashreplace") + b"\n")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; the event ``log.withheld`` stands for one that failed."""
        try:
            return super().format(record)
        except Exception as error:  # noqa: BLE001  # whatever it was, the line is not shown
            what = type(error).__name__
            line = {"level": "ERROR", "logger": __name__, "event": "log.withheld", "error": what}
            return _timed(line)

    def flush(self) -> None:
        """Wait for the lines to be written, :data:`EXIT_LIMIT` at most; so at exit."""
        self._lines.flush(EXIT_LIMIT)


class PrintedLines(io.TextIOBase):
    """Stands in for ``sys.stdout`` and ``sys.stderr``: the log tells that a library printed."""

    def __init__(self) -> None:
        self._begun = 0

    def write(self, text: str) -> int:
        """Log each line that is complete as ``process.printed``; what it says may be anything."""
        *lines, rest = text.split("\n")
        for line in lines:
            if characters := self._begun + len(line):
                _log.warning("process.printed", extra={"characters": characters})
            self._begun = 0
        self._begun += len(rest)
        return len(text)


def logging_config(level: LogLevel, form: LogFormat = LogFormat.JSON) -> dict[str, Any]:
    """Return the configuration for ``logging.config.dictConfig``; libraries speak from WARNING.

    ``form`` is how a line looks; ``AUTO`` is text on a terminal, else JSON.
    """
    ours = {"level": level.upper(), "handlers": ["out"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": f"broker.web.log_formats.{_formatter(form)}"}},
        "handlers": {
            "out": {
                "class": "broker.web.logs.LineHandler",
                "lines": "ext://broker.web.logs.standard_output",
                "formatter": "line",
            },
        },
        "root": {"level": "WARNING", "handlers": ["out"]},
        "loggers": {
            "broker": ours,
            "gunicorn.error": dict(ours),
        },
    }


def _formatter(form: LogFormat) -> str:
    text = form is LogFormat.TEXT or (form is LogFormat.AUTO and os.isatty(STANDARD_OUTPUT))
    return "Text" if text else "Json"


def install_hooks() -> None:
    """Let what would be printed become log lines, so that it shows nothing and blocks nobody.

    Exceptions that nobody caught, in the main thread, in others and where none can be raised
    (``__del__``), warnings, and what libraries print. Call it once logging is configured; it
    survives a fork.
    """
    sys.stdout = sys.stderr = PrintedLines()
    logging.captureWarnings(capture=True)
    sys.excepthook = _on_crash
    threading.excepthook = _on_thread_crash
    sys.unraisablehook = _on_unraisable


def _on_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _log.critical("process.crashed", exc_info=(kind, error, trace))


def _on_thread_crash(crash: threading.ExceptHookArgs) -> None:
    if crash.exc_value is None or isinstance(crash.exc_value, SystemExit):
        return
    found = crash.exc_type, crash.exc_value, crash.exc_traceback
    extra = {"thread_name": crash.thread.name if crash.thread else None}
    _log.error("thread.crashed", exc_info=found, extra=extra)


def _on_unraisable(crash: Any) -> None:
    found = crash.exc_type, crash.exc_value, crash.exc_traceback
    _log.error("cleanup.crashed", exc_info=found)


def _timed(line: Mapping[str, object]) -> str:
    """Return a line that needs no formatter."""
    return json.dumps({"time": time.strftime(DATE), **line})
