"""What belongs to the request that is being worked on, on whatever thread: its id and its trace."""

from contextvars import ContextVar

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request; None outside of one."""
TRACE_ID: ContextVar[str | None] = ContextVar("trace_id", default=None)
"""The trace that the request belongs to (W3C Trace Context), if its caller named one."""
