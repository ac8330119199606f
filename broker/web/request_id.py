"""``X-Request-ID`` on every answer: the caller's own if it is sane, else a new one."""

import re
import uuid

from flask import Flask, Response, g, request

HEADER = "X-Request-ID"
_SANE = re.compile(r"[A-Za-z0-9._-]{1,128}")


def install(app: Flask) -> None:
    """Give each request of ``app`` an id, kept in ``flask.g.request_id``."""
    app.before_request(_take)
    app.after_request(_give)


def _take() -> None:
    sent = request.headers.get(HEADER, "")
    g.request_id = sent if _SANE.fullmatch(sent) else uuid.uuid4().hex


def _give(response: Response) -> Response:
    response.headers[HEADER] = g.get("request_id") or uuid.uuid4().hex
    return response
