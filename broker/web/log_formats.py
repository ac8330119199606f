"""How a log line looks: one JSON object for machines, or readable text on a terminal."""

import logging
import time
from typing import Any

from pythonjsonlogger.json import JsonFormatter

FIELDS = "%(asctime)s %(levelname)s %(name)s %(message)s"
RENAMED = {"asctime": "time", "levelname": "level", "name": "logger", "message": "event"}
DATE = "%Y-%m-%dT%H:%M:%S%z"
_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Json(JsonFormatter):
    """One JSON object per line: ``time``, ``level``, ``logger``, ``event`` and what is with it."""

    def __init__(self) -> None:
        super().__init__(fmt=FIELDS, datefmt=DATE, rename_fields=RENAMED)


class Text(logging.Formatter):
    """A line for people: time of day, level, event, and what is with it as ``name=value``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback follows on lines of its own."""
        moment = time.strftime("%H:%M:%S", time.localtime(record.created))
        head = f"{moment} {record.levelname:<7} {record.getMessage()}"
        more = [f"{name}={_shown(value)}" for name, value in vars(record).items() if _is_ours(name)]
        line = " ".join([head, *more])
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return line


def _is_ours(name: str) -> bool:
    return name not in _KNOWN


def _shown(value: Any) -> str:
    text = str(value)
    return repr(text) if " " in text or not text else text
