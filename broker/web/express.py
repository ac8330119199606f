"""The express lane: requests for a token in their plain form, without a framework.

What it takes is what nearly every request is: ``GET /token`` with no query, or one plain
``organization``; ``POST /token`` with a plain form. All else goes to the views. Who asks, what for,
the audit, the metrics and the errors are the desk's, and the bytes of an answer are made where the
views' are: only the way there is shorter.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from io import BytesIO
from typing import NamedTuple, TypeAlias
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from broker.callers import Caller
from broker.credentials import ORGANIZATION
from broker.policy.answers import Served
from broker.web import request_id
from broker.web.answer import Answer, grant_answer, token_answer
from broker.web.authentication import Authentication
from broker.web.desk import Desk, Identify, ReadWish, Visit, Wish
from broker.web.errors import TABLE, TOKEN_ENDPOINT, Row, told
from broker.web.malformed import LONGEST_BODY
from broker.web.summary import RequestLog
from broker.web.token_endpoint import MEDIA_TYPE, by_grant

_PATH = "/token"
_PARAMETER = "organization="
_ANY = Wish()
_Way: TypeAlias = tuple[Callable[[Served], Answer], Mapping[type[Exception], Row]]
_WAYS: dict[str, _Way] = {"GET": (token_answer, TABLE), "POST": (grant_answer, TOKEN_ENDPOINT)}


class Asked(NamedTuple):
    """A plain request: its method, how to tell who asks, and what else of it is looked at."""

    method: str
    identify: Identify
    request_id: str | None
    traceparent: str | None
    remote: str | None


class ExpressLane:
    """A WSGI application in front of another; gunicorn's worker may ask it without WSGI."""

    def __init__(self, desk: Desk, requests: RequestLog, views: WSGIApplication) -> None:
        self._desk = desk
        self._requests = requests
        self._views = views

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a plain request for a token; let the views answer any other."""
        if environ["PATH_INFO"] == _PATH:
            asked = _plain(environ)
            if asked is not None:
                own_id, answer = self.answer(asked)
                start_response(*answer.head(own_id))
                return (answer.body,)
        return self._views(environ, start_response)

    def answer(self, asked: Asked) -> tuple[str, Answer]:
        """Return the id that the request has, and its answer; never raises."""
        began = self._requests.begin()
        own_id = request_id.begin(asked.request_id, asked.traceparent)
        try:
            visit = Visit(own_id, asked.remote or "unix")
            answer = self._serve(visit, asked.identify, _WAYS[asked.method])
            self._requests.tell(began, asked.method, _PATH, answer.status, asked.remote)
        finally:
            request_id.end()
        return own_id, answer

    def at_once(self, asked: Asked) -> tuple[str, Answer] | None:
        """Return what :meth:`answer` would, if that neither waits for nor logs anything.

        None leaves no trace: then :meth:`answer` has everything to say.
        """
        own_id = request_id.own(asked.request_id)
        visit = Visit(own_id, asked.remote or "unix")
        served = self._desk.serve_at_once(visit, asked.identify, self._requests.passes_over)
        return None if served is None else (own_id, _WAYS[asked.method][0](served))

    def _serve(self, visit: Visit, identify: Identify, way: _Way) -> Answer:
        answer_of, table = way
        try:
            return answer_of(self._desk.serve(visit, identify, table))
        except Exception as error:  # noqa: BLE001  # as the views: every error has its answer
            return told(error, table)


def _plain(environ: WSGIEnvironment) -> Asked | None:
    """Return what is asked for, None if it is not told plainly."""
    identify = _plain_identify(environ)
    if identify is None:
        return None
    sent = environ.get
    ids = sent("HTTP_X_REQUEST_ID"), sent("HTTP_TRACEPARENT")
    return Asked(environ["REQUEST_METHOD"], identify, *ids, sent("REMOTE_ADDR"))


def _plain_identify(environ: WSGIEnvironment) -> Identify | None:
    method, query = environ["REQUEST_METHOD"], environ["QUERY_STRING"]
    authorization = environ.get("HTTP_AUTHORIZATION")
    if method == "GET":
        wish = plain_wish(query)
        return None if wish is None else by_header(authorization, wish)
    if method == "POST" and not query and environ.get("CONTENT_TYPE") == MEDIA_TYPE:
        form = _plain_form(environ)
        return None if form is None else by_grant(MEDIA_TYPE, authorization, lambda: form)
    return None


def by_header(authorization: str | None, wish: Wish) -> Identify:
    """Return how to tell whose credential a header holds, who is known to want ``wish``."""

    def identify(authentication: Authentication) -> tuple[Caller, ReadWish]:
        return authentication.by_header(authorization), lambda: wish

    return identify


def _plain_form(environ: WSGIEnvironment) -> dict[str, str] | None:
    """Return the form that was sent, else None and leave the body to be read again."""
    length = environ.get("CONTENT_LENGTH") or ""
    if not length.isdecimal() or int(length) > LONGEST_BODY:
        return None
    body = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = BytesIO(body)
    return plain_form(body)


def plain_form(body: bytes) -> dict[str, str] | None:
    """Return a form that is ASCII and repeats no name; None for any other, as for queries."""
    if not body.isascii():
        return None
    pairs = parse_qsl(body.decode(), keep_blank_values=True)
    form = dict(pairs)
    plain = len(form) == len(pairs) and "".join(form.values()).isascii()
    return form if plain and "".join(form).isascii() else None


@lru_cache(maxsize=4096)
def plain_wish(query: str) -> Wish | None:
    """Return what a plain query asks for, None for any other: the views tell what is wrong."""
    if not query:
        return _ANY
    if query.startswith(_PARAMETER):
        name = query[len(_PARAMETER) :]
        if ORGANIZATION.fullmatch(name):
            return Wish(name)
    return None
