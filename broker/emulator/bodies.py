"""The answers to Canvas's two calls, good and bad."""

import json
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import NoReturn

from flask import Response

from broker.emulator.faults import Absence, Body, Expiry, Fault, RetryAfter
from broker.emulator.minting import PREFIX, timestamp

JSON = "application/json"
PADDING = 1 << 20
_PAGE = "<!DOCTYPE html><html><head><title>Canvas</title></head><body>Sorry!</body></html>"


class Dropped(Response):
    """No answer: the server closes the connection."""

    def __call__(self, *_: object, **__: object) -> NoReturn:
        """Make the server give up on the request; raises ConnectionAbortedError."""
        raise ConnectionAbortedError


def render(fault: Fault, status: int, document: Mapping[str, str] | None, date: float) -> Response:
    """Return the answer that ``fault`` makes of Canvas's own ``status`` and ``document``.

    ``document`` is None where Canvas has none to give. ``date`` is its time, in Unix seconds.
    """
    if fault.status is not None:
        return _refusal(fault, fault.status, date)
    if fault.body is Body.HTML and status == HTTPStatus.OK:
        return Response(_PAGE, content_type="text/html; charset=utf-8")
    if document is None:
        return _empty(status)
    return _good(fault, document)


def _refusal(fault: Fault, status: int, date: float) -> Response:
    if fault.body is Body.HTML:
        answer = Response(_PAGE, status, content_type="text/html; charset=utf-8")
    else:
        answer = _empty(status)
    if fault.retry_after is not None:
        answer.headers["Retry-After"] = (
            formatdate(date + fault.retry_after, usegmt=True)
            if fault.retry_after_as is RetryAfter.DATE
            else str(fault.retry_after)
        )
    return answer


def _empty(status: int) -> Response:
    answer = Response(status=status)
    del answer.headers["Content-Type"]
    return answer


def _good(fault: Fault, document: Mapping[str, str]) -> Response:
    body = json.dumps(_altered(fault, document)).encode()
    answer = Response(body, content_type=JSON)
    if fault.body is Body.EMPTY:
        answer.set_data(b"")
    elif fault.body in (Body.HALF, Body.TRUNCATED):
        answer.set_data(body[: len(body) // 2])
    if fault.body is Body.TRUNCATED:
        answer.content_length = len(body)
    return answer


def _altered(fault: Fault, document: Mapping[str, str]) -> dict[str, object]:
    altered: dict[str, object] = dict(document)
    _spoil(altered, "accessTokenExpiresDateTime", fault.expiry)
    _spoil(altered, "refresh_token", fault.refresh_token)
    _spoil(altered, "refreshTokenExpiresDateTime", fault.refresh_expiry)
    if not fault.prefix:
        altered["access_token"] = document["access_token"].removeprefix(PREFIX)
    if fault.body is Body.NO_ACCESS_TOKEN:
        altered["access_token"] = PREFIX
    if fault.body is Body.OVERSIZE:
        altered["padding"] = "x" * PADDING
    if fault.body is Body.WRONG_TYPES:
        altered = dict(zip(document, (17, [], {"value": True}, None), strict=True))
    return altered


def _spoil(document: dict[str, object], name: str, how: Expiry | Absence | None) -> None:
    match how:
        case Expiry.MISSING | Absence.MISSING:
            del document[name]
        case Expiry.NULL | Absence.NULL:
            document[name] = None
        case Absence.EMPTY:
            document[name] = ""
        case Expiry.NO_OFFSET:
            document[name] = str(document[name]).removesuffix("Z").removesuffix("+00:00")
        case Expiry.PAST if name.startswith("refresh"):
            document[name] = timestamp(0)
