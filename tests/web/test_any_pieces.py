"""Whatever clients send, in whichever pieces: what is remembered of heads changes no byte.

Three ports with a service of their own get the same: one whose requests all go to the application,
one that answers in the loop and remembers nothing, and one that has met each request before.
"""

import logging
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.callers import Callers
from broker.web import request_id
from broker.web.heads import Heads, Known
from tests.clients.recorded import recorded
from tests.web.accounts import Accounts
from tests.web.in_context import InContext
from tests.web.line import Client, Line
from tests.web.requests import CLIENTS, OTHERS, TRACEPARENT
from tests.web.rig import CALLERS, Rig
from tests.web.test_one_outcome import CASES

SERVED = [*(one.whole for one in recorded()), *CLIENTS.values()]
OF_ALL_KINDS = [*OTHERS, *(request for request, *_ in CASES if len(request) < 2000)]
IDS = ("X-Request-ID: mine-1", "x-request-id:\tmine-2 ", "X-Request-ID: not sane")
TRACES = (f"traceparent: {TRACEPARENT}", "traceparent: 00-0-0-00", "baggage: a=1,b=2", "b3: 0")
ODD = (
    "X-Request-ID:",
    "X-Request-ID: mine-3\x00",
    "tracestate: a\x7f",
    "X-Correlation-ID : 1",
    "baggage : 1",
    "X_Request_ID: mine-4",
    " of the header before",
    "X-B3-TraceId: 463ac35c9f6413ad",
    "X-Envoy-Attempt-Count: 1",
    "X-Datadog-Trace-Id: caf\xe9",
    "X-Mine: 1",
    "Connection: close",
    "Content-Length: 0",
    "Host: c",
)
MORE = st.sampled_from(IDS) | st.sampled_from(TRACES) | st.sampled_from(ODD)
FEWER = Callers(tuple(one for one in CALLERS.callers if one.name != "billing"))
EXAMPLES = 80
"""Hypothesis draws the same ones each time."""
CONNECTIONS = 3


class Forgetful(Heads):
    """Remembers nothing."""

    def find(self, head: bytes, form: bytes = b"") -> Known | None:
        """Know nothing."""
        del head, form
        return None

    def keep(self, caller: str, known: Known, head: bytes, form: bytes = b"") -> None:
        """Keep nothing."""


class Told(logging.Handler):
    """Keeps what the log tells."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.addFilter(InContext())
        self._lines: list[dict[str, Any]] = []
        self._usual = {*vars(logging.makeLogRecord({})), "message"}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        own = {name: value for name, value in vars(record).items() if name not in self._usual}
        self._lines.append({"event": record.getMessage(), "level": record.levelname, **own})

    def taken(self) -> list[dict[str, Any]]:
        """Return the lines since it was asked last."""
        taken, self._lines = self._lines, []
        return taken


class Way:
    """A port, its service, and what both told since they were asked last."""

    def __init__(self, told: Told, heads: type[Heads] | None) -> None:
        self._rig = Rig("acme", "globex", service_accounts=Accounts())
        for organization in ("acme", "globex"):
            self._rig.broker.token(organization)
        self._line = Line(self._rig, at_once=heads is not None, told=1.0)
        self._heads, self._told = heads, told
        self._clients: list[Client] = []
        self._answers = b""

    def begin(self, requests: Sequence[bytes]) -> None:
        """Begin anew, with connections of their own; each request has been met."""
        self._rig.callers = CALLERS
        if self._line.port.at_once is not None and self._heads is not None:
            self._line.port.at_once._heads = self._heads()
        for request in requests:
            client = self._line.connect()
            client.send(request)
            client.end()
        for client in self._clients:
            client.transport.close()
        self._clients = [self._line.connect() for _ in range(CONNECTIONS)]
        self.outcome()

    def do(self, number: int, what: bytes | Callers | None) -> None:
        """Let a client send a piece or, without one, its end; or let other callers be in force."""
        if isinstance(what, Callers):
            self._rig.callers = what
        else:
            client = self._clients[number]
            self._answers += client.end() if what is None else client.send(what)

    def outcome(self) -> tuple[Any, ...]:
        """Return answers, audit, metrics and log since it was asked last."""
        found = (
            self._answers,
            [(one.taken(), one.is_open, one.transport.closed) for one in self._clients],
            list(self._rig.audit),
            sorted(self._rig.tally.asked, key=repr),  # counted together, after the turn
            self._told.taken(),
        )
        self._answers = b""
        self._rig.audit.clear()
        self._rig.tally.asked.clear()
        return found


@pytest.fixture(scope="module")
def ways() -> Iterator[list[Way]]:
    """Return the three; ids are all the same, and the log is heard."""
    told, log = Told(), logging.getLogger("broker")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request_id, "new_id", lambda: "new")
        patch.setattr(log, "level", logging.INFO)
        log.addHandler(told)
        yield [Way(told, heads) for heads in (None, Forgetful, Heads)]
        log.removeHandler(told)


Step = tuple[int, bytes | Callers | None]


@st.composite
def variations(draw: st.DrawFn, request: bytes) -> bytes:
    """Draw a request with some more headers, or with one byte changed, or as it is."""
    for header in draw(st.lists(MORE, max_size=3)):
        place = request.find(b"\r\n") if draw(st.booleans()) else request.find(b"\r\n\r\n")
        if place >= 0:
            request = request[:place] + b"\r\n" + header.encode("latin-1") + request[place:]
    if draw(st.integers(0, 9)) == 0:
        place = draw(st.integers(0, len(request) - 1))
        request = request[:place] + draw(st.binary(max_size=1)) + request[place + 1 :]
    return request


@st.composite
def scripts(draw: st.DrawFn) -> tuple[list[bytes], list[Step]]:
    """Draw requests to be met, and steps in which connections send such ones piece by piece."""
    asked = draw(
        st.lists(st.sampled_from(SERVED) | st.sampled_from(OF_ALL_KINDS), min_size=1, max_size=3)
    )
    alike = st.sampled_from(asked).flatmap(variations)
    queues: list[list[Step]] = []
    for number in range(draw(st.integers(1, CONNECTIONS))):
        sent = draw(st.lists(alike, min_size=1, max_size=6))
        stream, ends = b"".join(sent), set(accumulate(map(len, sent)))
        between = draw(st.sets(st.integers(1, max(1, len(stream) - 1)), max_size=8))
        cuts = sorted(draw(st.sampled_from([ends, ends, between, between | ends, set()])))
        places = zip([0, *cuts], [*cuts, len(stream)], strict=True)
        queues.append([(number, stream[begin:end]) for begin, end in places if begin < end])
        if draw(st.booleans()):
            queues[-1].append((number, None))
    steps: list[Step] = []
    while queues:
        queue = queues[draw(st.integers(0, len(queues) - 1))]
        steps.append(queue.pop(0))
        queues = [one for one in queues if one]
    for callers in draw(st.lists(st.sampled_from([FEWER, CALLERS]), max_size=2)):
        steps.insert(draw(st.integers(0, len(steps))), (0, callers))
    return asked, steps


def test_what_is_compared(ways: list[Way]) -> None:
    """An answer, its line of the audit, its count, its line of the log."""
    for way in ways:
        way.begin(SERVED[:1])
        way.do(0, SERVED[0])
        answer, _, *others = way.outcome()
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert [len(one) for one in others] == [1, 1, 1]


@pytest.mark.timeout(300)
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
@given(script=scripts())
def test_the_memory_changes_nothing(
    ways: list[Way], script: tuple[list[bytes], list[Step]]
) -> None:
    """After each step all have sent the same, and told the same to audit, metrics and log."""
    asked, steps = script
    for way in ways:
        way.begin(asked)
    for step in steps:
        outcomes = []
        for way in ways:
            way.do(*step)
            outcomes.append(way.outcome())
        assert outcomes[1:] == outcomes[:1] * 2, step
