"""A request for a token as it was sent: read once, in the same way however it came."""

import re
from functools import lru_cache
from typing import NamedTuple
from wsgiref.types import WSGIEnvironment

from broker.callers import Caller
from broker.credentials import ORGANIZATION
from broker.errors import CallerError, InvalidRequestError
from broker.web.authentication import Authentication
from broker.web.desk import Identify, ReadWish, Wish
from broker.web.errors import ProtocolError
from broker.web.parameters import load, parameters
from broker.web.schemas import TOKEN_QUERY
from broker.web.token_endpoint import MEDIA_TYPE, by_grant

LONGEST_BODY = 65536
"""Bytes of the longest form that is read."""
TOO_LONG = bytes(LONGEST_BODY + 1)
"""Stands for a body that was not read, because it announced more than that."""
_PARAMETER = "organization="
_ANY = Wish()
_HOST = re.compile(
    r"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]*)?"
)
"""``uri-host [ ":" port ]`` (RFC 9110 section 7.2); not empty, as no ``http`` URI has it so."""
_NO_HOST = "Host is missing or not valid"


class Asked(NamedTuple):
    """What is looked at of a request for a token, as it was sent.

    ``sent`` is the query of a ``GET``, the form of a ``POST``, one character for each byte.
    ``fault`` is what makes it a bad request whoever sent it.
    """

    method: str
    authorization: str | None
    sent: str
    request_id: str | None
    traceparent: str | None
    remote: str | None
    fault: CallerError | None = None

    def __repr__(self) -> str:
        return f"Asked({self.method})"  # the rest holds keys

    def identify(self) -> Identify:
        """Return how to tell who asks and what for."""
        if self.fault is not None:
            return refusing(self.fault)
        if self.method == "POST":
            return by_grant(self.authorization, self.sent.encode("latin-1"))
        return _by_header(self.authorization, self.sent)

    def identify_plainly(self) -> Identify | None:
        """Return the same; None where a query must be decoded: the loop has no time for it."""
        return None if self.method == "GET" and plain_wish(self.sent) is None else self.identify()


def asked_from(environ: WSGIEnvironment) -> Asked:
    """Return what a WSGI request for a token asks for; reads the body of a ``POST``."""
    get, method = environ.get, environ["REQUEST_METHOD"]
    if method == "POST":
        sent = str(environ["wsgi.input"].read(LONGEST_BODY + 1), "latin-1")
    else:
        sent = environ["QUERY_STRING"]
    ids = get("HTTP_X_REQUEST_ID"), get("HTTP_TRACEPARENT")
    fault = host_fault(environ)
    if method == "POST":
        fault = fault or form_fault(get("CONTENT_TYPE", ""), len(sent))
    return Asked(method, get("HTTP_AUTHORIZATION"), sent, *ids, get("REMOTE_ADDR"), fault)


def host_fault(environ: WSGIEnvironment) -> CallerError | None:
    """Return what is wrong with ``Host`` (RFC 9112 section 3.2); only HTTP/1.0 may go without."""
    host = environ.get("HTTP_HOST")
    if host is None and environ["SERVER_PROTOCOL"] == "HTTP/1.0":
        return None
    return None if host is not None and is_host(host) else no_host()


def no_host() -> CallerError:
    """Return the error of a request whose ``Host`` is missing, repeated or not valid."""
    return InvalidRequestError(_NO_HOST)


@lru_cache(maxsize=64)
def is_host(text: str) -> bool:
    """Tell whether ``Host`` may have this value."""
    return _HOST.fullmatch(text) is not None


def form_fault(content_type: str, length: int) -> CallerError | None:
    """Return what is wrong with a form of this ``length`` before it is read."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != MEDIA_TYPE:
        return InvalidRequestError(f"Content-Type must be {MEDIA_TYPE}")
    return ProtocolError(413) if length > LONGEST_BODY else None


def refusing(error: Exception) -> Identify:
    """Return how to refuse whoever asks."""

    def identify(authentication: Authentication) -> tuple[Caller, ReadWish]:
        del authentication
        raise error

    return identify


def plain_wish(query: str) -> Wish | None:
    """Return what a plain query asks for, with no schema; None for any other."""
    if not query:
        return _ANY
    if query.startswith(_PARAMETER):
        name = query[len(_PARAMETER) :]
        if ORGANIZATION.fullmatch(name):
            return Wish(name)
    return None


def _by_header(authorization: str | None, query: str) -> Identify:
    def identify(authentication: Authentication) -> tuple[Caller, ReadWish]:
        return authentication.by_header(authorization), lambda: _wish(query)

    return identify


@lru_cache(maxsize=1024)
def _wish(query: str) -> Wish:
    plain = plain_wish(query)
    if plain is not None:
        return plain
    return Wish(**load(TOKEN_QUERY, parameters(query.encode("latin-1"))))
