"""Answers in the loop, where memory alone can tell them: nothing here ever waits.

Who asks, what for, the audit, the metrics, the log and the bytes of an answer are those of every
other request: only the way there is shorter.
"""

import logging
from http import HTTPStatus

from broker.web import request_id
from broker.web.answer import Standing, lines
from broker.web.desk import TOKEN_PATH, WAYS, Desk, Met
from broker.web.heads import (
    END,
    METHODS,
    Heads,
    Known,
    traceparent,
    without_changing,
)
from broker.web.reading import LONGEST_RAW, Headers, Sent
from broker.web.summary import RequestLog
from broker.web.token_request import Asked, form_fault, is_host

AT_ONCE = "at_once"
"""Where ``app.extensions`` keeps the :class:`AtOnce`, for the server; without it, there is none."""
_log = logging.getLogger(__name__)
_USED = frozenset(
    {b"authorization", b"x-request-id", b"traceparent", b"content-type", b"content-length", b"host"}
)
_END = len(END)


Answered = tuple[bytes, bool, int]
"""The bytes of an answer, whether the connection ends with it, how many bytes asked for it."""


class AtOnce:
    """The way in the loop; ``standing`` are the headers of every answer."""

    def __init__(self, desk: Desk, requests: RequestLog, standing: Standing) -> None:
        self._desk = desk
        self._requests = requests
        self._standing = lines(standing)
        self._heads = Heads()
        self._rests_on = desk.rests_on
        self.count = desk.count
        """To be called now and then: counts what was answered since."""

    def recall(self, data: bytes, remote: str, *, keeps: bool) -> Answered | int | None:
        """Return the answer to what ``data`` begins with, if it was answered before.

        A number says how many bytes are wanted to tell; None that it must be read. Never raises: a
        defect is met by the application as well, and answered.
        """
        end = data.find(END) + _END
        if not _END <= end <= LONGEST_RAW or not data.startswith(METHODS):
            return None
        began = self._requests.begin()
        sent = data if end == len(data) else data[:end]
        try:
            self._heads.under(*self._rests_on())
            known, head, sent_id = self._heads.find(sent), sent, None
            if known is None:
                known, head, sent_id = self._heads.find_changing(sent)
            if known is not None and known.form:
                end += known.form
                if len(data) < end:
                    return end
                known = self._heads.find(head, data[end - known.form : end])
            if known is None:
                return None
            own_id, close = request_id.own(sent_id), known.closes or not keeps
            answer = self._answer(known, own_id, remote, close=close)
            if answer is None:
                return None
            if began is not None:
                self._tell(began, known.method, own_id, traceparent(sent), remote)
        except Exception as error:  # noqa: BLE001  # whatever it was
            _log.error("request.crashed", extra={"error": type(error).__name__})
            return None
        return answer, close, end

    def answer(
        self, sent: Sent, raw: bytes | None, remote: str, *, keeps: bool
    ) -> tuple[bytes, bool] | None:
        """Return the answer to a request that was read, and whether the connection ends with it.

        ``raw`` are its bytes, by which it is recalled the next time. None leaves no trace: the
        application has everything to say. Never raises.
        """
        try:
            return self._first_answer(sent, raw, remote, keeps=keeps)
        except Exception as error:  # noqa: BLE001  # whatever it was
            _log.error("request.crashed", extra={"error": type(error).__name__})
            return None

    def _first_answer(
        self, sent: Sent, raw: bytes | None, remote: str, *, keeps: bool
    ) -> tuple[bytes, bool] | None:
        asked = _asked_of(sent, remote)
        identify = None if asked is None else asked.identify_plainly()
        if asked is None or identify is None:
            return None
        began, basis = self._requests.begin(), self._rests_on()
        met = self._desk.meet(identify)
        if met is None:
            return None
        known = Known(
            met,
            sent.method,
            len(sent.headers),
            sent.closes,
            sent.version,
        )
        close = sent.closes or not keeps
        own_id = request_id.own(asked.request_id)
        answer = self._answer(known, own_id, remote, close=close)
        if answer is None:
            return None
        if began is not None:
            self._tell(began, sent.method, own_id, asked.traceparent, remote)
        if raw is not None:
            self._heads.under(*basis)
            self._keep(met, known, raw, len(sent.body))
        return answer, close

    def _keep(self, met: Met, known: Known, raw: bytes, form: int) -> None:
        """Keep a request under its bytes; a form apart from the head that announces it."""
        end = raw.find(END) + 4
        if end + form != len(raw) or not raw.startswith(METHODS):
            return
        head, changing = without_changing(raw[:end])
        known = known._replace(lines=known.lines - changing)
        if form:
            announcing = Known(None, known.method, known.lines, form=form)
            self._heads.keep(met.caller, announcing, head)
            self._heads.keep(met.caller, known, head, raw[end:])
        else:
            self._heads.keep(met.caller, known, head)

    def _tell(self, began: float, method: str, own_id: str, trace: str | None, remote: str) -> None:
        """Write the line of the log that this request has."""
        request_id.begin(own_id, trace)
        try:
            self._requests.tell(began, method, TOKEN_PATH, HTTPStatus.OK, remote)
        finally:
            request_id.end()

    def _answer(self, known: Known, own_id: str, remote: str, *, close: bool) -> bytes | None:
        met = known.met
        if met is None or (met.holds is not None and not met.holds()):
            return None
        served = self._desk.serve_met(met, own_id, remote or "unix")
        if served is None:
            return None
        answer = WAYS[known.method].answer_of(served)
        return answer.wire(known.version, own_id, self._standing, close=close)


def _asked_of(sent: Sent, remote: str) -> Asked | None:
    """Return what a plain request for a token asks for; None for any other."""
    is_get = sent.method == "GET"
    if sent.path != TOKEN_PATH or not sent.target.startswith(TOKEN_PATH) or "#" in sent.target:
        return None
    headers = _used(sent.headers)
    if headers is None or not is_host(headers.get(b"host", "")):
        return None
    if is_get and sent.body:
        return None
    if not is_get and (
        sent.method != "POST"
        or sent.query
        or len(sent.body) > LONGEST_RAW  # to read it takes too long here
        or form_fault(headers.get(b"content-type", ""), len(sent.body))
    ):
        return None
    get = headers.get
    words = sent.query if is_get else sent.body.decode("latin-1")
    ids = get(b"x-request-id"), get(b"traceparent")
    return Asked(sent.method, get(b"authorization"), words, *ids, remote)


def _used(headers: Headers) -> dict[bytes, str] | None:
    """Return the headers that are looked at; None where one is there twice, or a special one."""
    found: dict[bytes, str] = {}
    for name, value in headers:
        if name in _USED:
            if name in found:
                return None
            found[name] = value.decode("latin-1")
        elif name == b"expect" or (name == b"transfer-encoding" and value.lower() != b"chunked"):
            return None
    return found
