"""``X-Request-ID`` on every answer, and what the request's context holds while it is worked on.

The caller's own id is kept if it is sane, else there is a new one. A ``traceparent`` (W3C Trace
Context) is read for its trace id, so that log lines can be found by it.
"""

import re
import uuid

from flask import Flask, Response, g, request

from broker.web.context import REQUEST_ID, TRACE_ID

HEADER = "X-Request-ID"
TRACEPARENT = "traceparent"
_SANE = re.compile(r"[A-Za-z0-9._-]{1,128}")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-.{2,}")


def install(app: Flask) -> None:
    """Give each request of ``app`` an id, kept in ``flask.g.request_id``."""
    app.before_request(_take)
    app.after_request(_give)
    app.teardown_request(_forget)


def trace_of(traceparent: str) -> str | None:
    """Return the trace id of a ``traceparent`` header, or None if it is not a sane one."""
    match = _TRACEPARENT.fullmatch(traceparent)
    return match[1] if match else None


def _take() -> None:
    sent = request.headers.get(HEADER, "")
    g.request_id = sent if _SANE.fullmatch(sent) else uuid.uuid4().hex
    REQUEST_ID.set(g.request_id)
    TRACE_ID.set(trace_of(request.headers.get(TRACEPARENT, "")))


def _give(response: Response) -> Response:
    response.headers[HEADER] = g.get("request_id") or uuid.uuid4().hex
    return response


def _forget(error: BaseException | None) -> None:
    """Leave nothing on the thread for the next request that cannot even be read."""
    del error
    REQUEST_ID.set(None)
    TRACE_ID.set(None)
