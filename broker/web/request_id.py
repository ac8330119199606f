"""``X-Request-ID`` on every answer, and what the request's context holds while it is worked on.

The caller's own id is kept if it is sane, else there is a new one. A ``traceparent`` (W3C Trace
Context) is read for its trace id, so that log lines can be found by it.
"""

import random
import re

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


def new_id() -> str:
    """Return an id that no other request has: 128 random bits in hexadecimal.

    Not from the kernel: its answer costs more than all else here, and lets go of the interpreter.
    The seed is the kernel's, a new one after each fork; an id need not be hard to guess.
    """
    return random.getrandbits(128).to_bytes(16).hex()


def own(sent: str | None) -> str:
    """Return the id of a request: the one that it was sent with, if that is sane, or a new one."""
    return sent if sent and _SANE.fullmatch(sent) else new_id()


def begin(sent: str | None, traceparent: str | None) -> str:
    """Put id and trace of a request into the context, and return its :func:`own` id."""
    request_id = own(sent)
    REQUEST_ID.set(request_id)
    TRACE_ID.set(trace_of(traceparent) if traceparent else None)
    return request_id


def end() -> None:
    """Leave nothing on the thread for the next request that cannot even be read."""
    REQUEST_ID.set(None)
    TRACE_ID.set(None)


def _take() -> None:
    g.request_id = begin(request.headers.get(HEADER), request.headers.get(TRACEPARENT))


def _give(response: Response) -> Response:
    response.headers[HEADER] = g.get("request_id") or new_id()
    return response


def _forget(error: BaseException | None) -> None:
    del error
    end()
