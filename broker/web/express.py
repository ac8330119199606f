"""The express lane: ``GET /token`` in its plain form, without a framework.

What it takes is what nearly every request is: no query, or one plain ``organization``. All else
goes to the views. Who asks, what for, the audit, the metrics and the errors are the desk's, and
the bytes of an answer are made where the views' are: only the way there is shorter.
"""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from broker.callers import Caller
from broker.credentials import ORGANIZATION
from broker.web import request_id
from broker.web.answer import Answer, token_answer
from broker.web.authentication import Authentication
from broker.web.desk import Desk, ReadWish, Visit, Wish
from broker.web.errors import TABLE, told
from broker.web.summary import RequestLog

_PATH = "/token"
_PARAMETER = "organization="
_ANY = Wish()


class ExpressLane:
    """A WSGI application in front of another."""

    def __init__(self, desk: Desk, requests: RequestLog, views: WSGIApplication) -> None:
        self._desk = desk
        self._requests = requests
        self._views = views

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a plain request for a token; let the views answer any other."""
        if environ["PATH_INFO"] == _PATH and environ["REQUEST_METHOD"] == "GET":
            wish = plain_wish(environ["QUERY_STRING"])
            if wish is not None:
                return self._answer(environ, wish, start_response)
        return self._views(environ, start_response)

    def _answer(
        self, environ: WSGIEnvironment, wish: Wish, start_response: StartResponse
    ) -> Iterable[bytes]:
        began = self._requests.begin()
        sent = environ.get
        own_id = request_id.begin(sent("HTTP_X_REQUEST_ID"), sent("HTTP_TRACEPARENT"))
        try:
            answer = self._serve(own_id, environ, wish)
            remote = sent("REMOTE_ADDR")
            self._requests.tell(began, "GET", _PATH, answer.status, remote)
        finally:
            request_id.end()
        start_response(*answer.head(own_id))
        return (answer.body,)

    def _serve(self, own_id: str, environ: WSGIEnvironment, wish: Wish) -> Answer:
        def identify(authentication: Authentication) -> tuple[Caller, ReadWish]:
            return authentication.by_header(environ.get("HTTP_AUTHORIZATION")), lambda: wish

        visit = Visit(own_id, environ.get("REMOTE_ADDR") or "unix")
        try:
            return token_answer(self._desk.serve(visit, identify, TABLE))
        except Exception as error:  # noqa: BLE001  # as the views: every error has its answer
            return told(error, TABLE)


def plain_wish(query: str) -> Wish | None:
    """Return what a plain query asks for, None for any other: the views tell what is wrong."""
    if not query:
        return _ANY
    if query.startswith(_PARAMETER):
        name = query[len(_PARAMETER) :]
        if ORGANIZATION.fullmatch(name):
            return Wish(name)
    return None
