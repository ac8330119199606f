"""What belongs to the request that is being worked on, on whatever thread: its id and its trace."""

import logging
from contextvars import ContextVar

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request; None outside of one."""
TRACE_ID: ContextVar[str | None] = ContextVar("trace_id", default=None)
"""The trace that the request belongs to (W3C Trace Context), if its caller named one."""


class InContext(logging.Filter):
    """Adds the request's id and trace to every log line that is written for it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add what there is; lets every line pass."""
        for name, variable in (("request_id", REQUEST_ID), ("trace_id", TRACE_ID)):
            value = variable.get()
            if value is not None and not hasattr(record, name):
                setattr(record, name, value)
        return True
