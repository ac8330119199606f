"""Requests that do not reach the application: answered like all else, in JSON and without echo.

One whose first line asks for a token is counted and audited as such, whatever its rest is.
"""

import logging
import time
from collections.abc import Callable

from gunicorn.asgi.parser import (
    InvalidHeader,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseError,
    UnsupportedTransferCoding,
)

from broker.web import request_id
from broker.web.answer import STANDING, Answer, Standing, lines
from broker.web.desk import TOKEN_PATH, WAYS, Desk, Visit
from broker.web.errors import TABLE, ProtocolError, row_of, told
from broker.web.reading import Headers, Reading
from broker.web.token_request import no_host, refusing

MALFORMED = "malformed"
"""Where ``app.extensions`` keeps the :class:`MalformedRequests`, for the server."""
MOST_LINES = 50
"""Log lines in one second; who sends noise fills no disk with it."""
_log = logging.getLogger(__name__)
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (LimitRequestLine, 414),
    (LimitRequestHeaders, 431),
    (UnsupportedTransferCoding, 501),
    (ParseError, 400),
)


class MalformedRequests:
    """Answers requests that could not be read; ``standing`` are the headers of every answer.

    Those for a token are the ``desk``'s; without one, where there are no tokens, no request is.
    """

    def __init__(
        self,
        desk: Desk | None,
        standing: Standing = STANDING,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._desk = desk
        self._standing = lines(standing)
        self._now = now
        self._second = self._lines = self._untold = 0

    def note(self, error: str, remote: str) -> None:
        """Log what was wrong with a request and who sent it; no more than so many in a second.

        ``untold`` says for how many others the line stands.
        """
        second = int(self._now())
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > MOST_LINES:
            self._untold += 1
            return
        extra: dict[str, object] = {"error": error, "remote": remote}
        if self._untold:
            extra["untold"], self._untold = self._untold, 0
        _log.info("request.malformed", extra=extra)

    def refuse(self, error: Exception, remote: str, reading: Reading | None = None) -> bytes:
        """Return the answer; neither it nor the log repeat any of the request.

        ``reading`` is what is known of it.
        """
        method, path, headers = reading.begun if reading else ("", "", [])
        cause = _cause(error, headers)
        if cause is not error:
            self.note(type(error).__name__, remote)
        sent = [value for name, value in headers if name == b"x-request-id"]
        own_id = request_id.own(sent[0].decode("latin-1") if len(sent) == 1 else None)
        answer = self._outcome(method, path, Visit(own_id, remote or "unix"), cause)
        told = answer.wire((1, 1), own_id, self._standing, close=True)
        return told.removesuffix(answer.body.encode()) if method == "HEAD" else told

    def _outcome(self, method: str, path: str, visit: Visit, cause: Exception) -> Answer:
        desk = self._desk
        if desk is not None and method in WAYS and path == TOKEN_PATH:
            return desk.answer(visit, refusing(cause), WAYS[method])
        return told(cause, row_of(cause, TABLE))


def _cause(error: Exception, headers: Headers) -> Exception:
    """Return a parser's error in the words of the table, any other as it is."""
    if isinstance(error, InvalidHeader) and sum(name == b"host" for name, _ in headers) > 1:
        return no_host()
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return ProtocolError(status)
    return error
