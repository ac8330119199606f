"""The express lane: requests for a token, without a framework.

It takes each ``GET`` and ``POST`` of ``/token``; all else goes to the views. Who asks, what for,
the audit, the metrics, the errors and the bytes of an answer are those of the views: only the way
there is shorter.
"""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from broker.web import request_id
from broker.web.answer import STANDING, Answer, Headers, Standing
from broker.web.desk import TOKEN_PATH, WAYS, Desk, Visit
from broker.web.summary import RequestLog
from broker.web.token_request import Asked, asked_from

_TAKEN = frozenset({"GET", "POST"})


class ExpressLane:
    """A WSGI application in front of another; gunicorn's worker may ask it without WSGI.

    ``standing`` are the headers of every answer.
    """

    def __init__(
        self,
        desk: Desk,
        requests: RequestLog,
        views: WSGIApplication,
        standing: Standing = STANDING,
    ) -> None:
        self._desk = desk
        self._requests = requests
        self._views = views
        self._standing = standing

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request for a token; let the views answer any other."""
        if environ["PATH_INFO"] == TOKEN_PATH and environ["REQUEST_METHOD"] in _TAKEN:
            head, body = self.answer(asked_from(environ))
            start_response(*head)
            return (body,)
        return self._views(environ, start_response)

    def answer(self, asked: Asked) -> tuple[tuple[str, Headers], bytes]:
        """Return the head and the body of the answer; never raises."""
        began = self._requests.begin()
        own_id = request_id.begin(asked.request_id, asked.traceparent)
        try:
            visit = Visit(own_id, asked.remote or "unix")
            answer = self._desk.answer(visit, asked.identify(), WAYS[asked.method])
            self._requests.tell(began, asked.method, TOKEN_PATH, answer.status, asked.remote)
        finally:
            request_id.end()
        return self._told(own_id, answer)

    def at_once(self, asked: Asked) -> tuple[tuple[str, Headers], bytes] | None:
        """Return what :meth:`answer` would, if that neither waits for nor logs anything.

        None leaves no trace: :meth:`answer` has everything to say.
        """
        own_id = request_id.own(asked.request_id)
        visit = Visit(own_id, asked.remote or "unix")
        served = self._desk.serve_at_once(
            visit, asked.words(), asked.identify_plainly, self._requests.passes_over
        )
        return None if served is None else self._told(own_id, WAYS[asked.method].answer_of(served))

    def _told(self, own_id: str, answer: Answer) -> tuple[tuple[str, Headers], bytes]:
        return answer.head(own_id, self._standing), answer.body
