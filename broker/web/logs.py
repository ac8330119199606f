"""Logging: one JSON object per line on standard output, for the broker and for gunicorn.

Nothing secret is logged anywhere on purpose; should it happen all the same, the finished line
(message, arguments, extras, tracebacks) still passes a :class:`~broker.redaction.Redactor`.
"""

import json
import logging
import sys
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Any

from broker.redaction import Redactor
from broker.settings import LogFormat, LogLevel
from broker.web.log_formats import DATE

_UNWRITTEN = "A log line could not be written.\n"
_redactor = Redactor()
_log = logging.getLogger(__name__)


class LineHandler(logging.StreamHandler[Any]):
    """Writes lines without live secrets; one that cannot be made is replaced, never lost or raw."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, redacted; the event ``log.withheld`` stands for one that failed."""
        try:
            return _redactor.redact(super().format(record))
        except Exception as error:  # noqa: BLE001  # whatever it was, the line is not shown
            return _withheld(type(error).__name__)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """Say on standard error that a line was lost; logging itself would print what it held."""
        del record
        with suppress(Exception):
            sys.stderr.write(_UNWRITTEN)


def logging_config(level: LogLevel, form: LogFormat = LogFormat.JSON) -> dict[str, Any]:
    """Return the configuration for ``logging.config.dictConfig``; libraries speak from WARNING.

    But urllib3 never does: its lines show URLs, of which one holds a refresh token. ``form`` is how
    a line looks; ``AUTO`` is text on a terminal, else JSON.
    """
    ours = {"level": level.upper(), "handlers": ["out"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"context": {"()": "broker.web.context.InContext"}},
        "formatters": {"line": {"()": f"broker.web.log_formats.{_formatter(form)}"}},
        "handlers": {
            "out": {
                "class": "broker.web.logs.LineHandler",
                "stream": "ext://sys.stdout",
                "formatter": "line",
                "filters": ["context"],
            },
            "nowhere": {"class": "logging.NullHandler"},
        },
        "root": {"level": "WARNING", "handlers": ["out"]},
        "loggers": {
            "broker": ours,
            "gunicorn.error": dict(ours),
            "urllib3": {"handlers": ["nowhere"], "propagate": False},
        },
    }


def _formatter(form: LogFormat) -> str:
    text = form is LogFormat.TEXT or (form is LogFormat.AUTO and sys.stdout.isatty())
    return "Text" if text else "Json"


def install_hooks() -> None:
    """Let what Python would print to standard error become log lines, so that it is redacted.

    Exceptions that nobody caught, in the main thread, in others and where none can be raised
    (``__del__``), and warnings. Call it once logging is configured; it survives a fork.
    """
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


def _withheld(error: str) -> str:
    line = {
        "time": time.strftime(DATE),
        "level": "ERROR",
        "logger": __name__,
        "event": "log.withheld",
        "error": error,
    }
    return json.dumps(line)
