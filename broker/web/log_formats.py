"""How a log line looks: one JSON object for machines, or readable text on a terminal.

A line says what :data:`~broker.web.log_events.EVENTS` allows and nothing else: no text of a
library, no message of an exception, no source line of a traceback.
"""

import json
import logging
import time
from collections.abc import Iterator
from traceback import walk_tb
from typing import Any

from broker.web.context import REQUEST_ID, TRACE_ID
from broker.web.log_events import EVENTS, FOREIGN, OURS

DATE = "%Y-%m-%dT%H:%M:%S%z"
DEEPEST = 30
"""Calls of a traceback that are told, the last ones."""


class Json(logging.Formatter):
    """One JSON object per line: ``time``, ``level``, ``logger``, ``event`` and what is with it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = time.strftime(DATE, time.localtime(record.created))
        line = {"time": moment, "level": record.levelname, "logger": record.name}
        return json.dumps({**line, **dict(told(record))}, default=str)


class Text(logging.Formatter):
    """A line for people: time of day, level, event, and what is with it as ``name=value``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; the calls of a traceback follow on lines of their own."""
        fields = dict(told(record))
        moment = time.strftime("%H:%M:%S", time.localtime(record.created))
        head = f"{moment} {record.levelname:<7} {fields.pop('event')}"
        calls = fields.pop("calls", [])
        more = [f"{name}={_shown(value)}" for name, value in fields.items()]
        return "\n  in ".join([" ".join([head, *more]), *calls])


def told(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    """Yield what may be told of a record, by name, the event first."""
    own = EVENTS.get(str(record.msg)) if record.name.startswith(OURS) else None
    if own is None:
        yield "event", FOREIGN
        yield "logger", record.name
        yield "place", f"{record.module}.{record.funcName}:{record.lineno}"
    else:
        yield "event", record.msg
        given = vars(record)
        yield from ((name, given[name]) for name in own if name in given)
    for name, variable in (("request_id", REQUEST_ID), ("trace_id", TRACE_ID)):
        value = variable.get()
        if value is not None:
            yield name, value
    if record.exc_info and record.exc_info[1] is not None:
        yield from _told_of(record.exc_info[1])


def _told_of(error: BaseException) -> Iterator[tuple[str, Any]]:
    """Yield the classes of an exception and of those that led to it, and the calls it came by."""
    yield "error", type(error).__name__
    causes = [type(one).__name__ for one in _causes(error)]
    if causes:
        yield "causes", causes
    calls = [
        f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}:{line}"
        for frame, line in walk_tb(error.__traceback__)
    ]
    yield "calls", calls[-DEEPEST:]


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen = {id(error)}
    cause = error.__cause__ or error.__context__
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _shown(value: object) -> str:
    text = str(value)
    return repr(text) if " " in text or not text else text
