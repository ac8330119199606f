"""The express lane: requests for a token in their plain form, without a framework.

What it takes is what nearly every request is: ``GET /token`` with no query, or one plain
``organization``; ``POST /token`` with a plain form. All else goes to the views. Who asks, what for,
the audit, the metrics and the errors are the desk's, and the bytes of an answer are made where the
views' are: only the way there is shorter.
"""

from collections.abc import Callable, Iterable, Mapping
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
    """What is looked at of a request for a token, as it was sent.

    ``sent`` is the query of a ``GET``, the form of a ``POST``.
    """

    method: str
    authorization: str | None
    sent: str
    request_id: str | None
    traceparent: str | None
    remote: str | None

    def __repr__(self) -> str:
        return f"Asked({self.method})"  # the rest holds keys

    def words(self) -> str:
        """Return all that tells who asks and what for; no other request has the same."""
        return f"{self.method} {self.authorization!r} {self.sent}"

    def identify(self) -> Identify | None:
        """Return how to tell who asks and what for; None where that is not told plainly."""
        if self.method == "GET":
            wish = plain_wish(self.sent)
            return None if wish is None else by_header(self.authorization, wish)
        form = plain_form(self.sent)
        return None if form is None else by_grant(MEDIA_TYPE, self.authorization, lambda: form)


class ExpressLane:
    """A WSGI application in front of another; gunicorn's worker may ask it without WSGI."""

    def __init__(self, desk: Desk, requests: RequestLog, views: WSGIApplication) -> None:
        self._desk = desk
        self._requests = requests
        self._views = views

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a plain request for a token; let the views answer any other."""
        if environ["PATH_INFO"] == _PATH:
            asked = _asked(environ)
            identify = None if asked is None else asked.identify()
            if asked is not None and identify is not None:
                own_id, answer = self.answer(asked, identify)
                start_response(*answer.head(own_id))
                return (answer.body,)
        return self._views(environ, start_response)

    def answer(self, asked: Asked, identify: Identify) -> tuple[str, Answer]:
        """Return the id that the request has, and its answer; never raises."""
        began = self._requests.begin()
        own_id = request_id.begin(asked.request_id, asked.traceparent)
        try:
            visit = Visit(own_id, asked.remote or "unix")
            answer = self._serve(visit, identify, _WAYS[asked.method])
            self._requests.tell(began, asked.method, _PATH, answer.status, asked.remote)
        finally:
            request_id.end()
        return own_id, answer

    def at_once(self, asked: Asked) -> tuple[str, Answer] | None:
        """Return what :meth:`answer` would, if that neither waits for nor logs anything.

        None, too, where the request is not plain. It leaves no trace: :meth:`answer`, or the views,
        have everything to say.
        """
        own_id = request_id.own(asked.request_id)
        visit = Visit(own_id, asked.remote or "unix")
        served = self._desk.serve_at_once(
            visit, asked.words(), asked.identify, self._requests.passes_over
        )
        return None if served is None else (own_id, _WAYS[asked.method][0](served))

    def _serve(self, visit: Visit, identify: Identify, way: _Way) -> Answer:
        answer_of, table = way
        try:
            return answer_of(self._desk.serve(visit, identify, table))
        except Exception as error:  # noqa: BLE001  # as the views: every error has its answer
            return told(error, table)


def _asked(environ: WSGIEnvironment) -> Asked | None:
    """Return what is asked for, None if it is none of a token."""
    get, sent = environ.get, _sent(environ)
    if sent is None:
        return None
    ids = get("HTTP_X_REQUEST_ID"), get("HTTP_TRACEPARENT")
    who = get("HTTP_AUTHORIZATION")
    return Asked(environ["REQUEST_METHOD"], who, sent, *ids, get("REMOTE_ADDR"))


def _sent(environ: WSGIEnvironment) -> str | None:
    """Return the query or form that was sent, else None and leave the body to be read again."""
    method, query = environ["REQUEST_METHOD"], environ["QUERY_STRING"]
    if method == "GET":
        return str(query)
    if method != "POST" or query or environ.get("CONTENT_TYPE") != MEDIA_TYPE:
        return None
    length = environ.get("CONTENT_LENGTH") or ""
    if not length.isdecimal() or int(length) > LONGEST_BODY:
        return None
    body = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = BytesIO(body)
    return str(body, "latin-1")


def by_header(authorization: str | None, wish: Wish) -> Identify:
    """Return how to tell whose credential a header holds, who is known to want ``wish``."""

    def identify(authentication: Authentication) -> tuple[Caller, ReadWish]:
        return authentication.by_header(authorization), lambda: wish

    return identify


def plain_form(body: str) -> dict[str, str] | None:
    """Return a form that is ASCII and repeats no name; None for any other, as for queries."""
    if not body.isascii():
        return None
    pairs = parse_qsl(body, keep_blank_values=True)
    form = dict(pairs)
    plain = len(form) == len(pairs) and "".join(form.values()).isascii()
    return form if plain and "".join(form).isascii() else None


def plain_wish(query: str) -> Wish | None:
    """Return what a plain query asks for, None for any other: the views tell what is wrong."""
    if not query:
        return _ANY
    if query.startswith(_PARAMETER):
        name = query[len(_PARAMETER) :]
        if ORGANIZATION.fullmatch(name):
            return Wish(name)
    return None
