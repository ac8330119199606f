"""One call to Canvas: what is asked, what goes wrong with it, what comes back."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Protocol

from flask import Response

from broker.emulator.bodies import Dropped, render
from broker.emulator.canvas import UnknownRefreshTokenError, WrongKeysError
from broker.emulator.controls import Controls
from broker.emulator.edge import Stored, add_headers, encode, send_interim
from broker.emulator.faults import Expiry, Fault, Hold
from broker.emulator.minting import Answer, timestamp
from broker.emulator.stats import Kind, Ticket

DROPPED = "dropped"
_PAST = -60.0


class Work(Protocol):
    """What Canvas itself does with the call."""

    def __call__(self, *, lifetime: float | None) -> Answer:
        """Return a token pair or raise one of Canvas's own errors."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A call as it came in.

    ``uncached`` says that it asks caches to pass it on; ``connection`` is None where there is no
    real one.
    """

    kind: Kind
    consumer: str
    work: Work
    refresh_token: str | None = field(default=None, repr=False)
    uncached: bool = False
    connection: socket.socket | None = None


def answer_call(controls: Controls, asked: Asked) -> Response:
    """Answer a call, as Canvas would or as the next fault says."""
    era = controls.gate.era  # before the fault is taken: a release in between must not be missed
    organization = controls.canvas.organization(asked.consumer)
    fault = controls.faults.take(asked.kind, organization)
    ticket = controls.stats.begin(
        asked.kind, organization, asked.refresh_token, definite=fault.definite
    )
    try:
        return _Call(controls, asked, fault, ticket, era).answer()
    except BaseException:
        ticket.end()
        raise


@dataclass(frozen=True, slots=True)
class _Call:
    controls: Controls
    asked: Asked
    fault: Fault
    ticket: Ticket
    era: int

    def answer(self) -> Response:
        """Go through the call from its arrival to its answer."""
        self.controls.gate.pause(self.fault.latency, self.look)
        self._hold(Hold.BEFORE)
        stored = self._find_stored()
        status, document = (HTTPStatus.OK, stored.document) if stored else self._work()
        self._hold(Hold.AFTER)
        if self.fault.drop is not None:
            return self._drop()
        date = self.controls.canvas.date()
        answer = render(self.fault, status, document, date)
        if stored:
            stored.mark(answer, date, tells_age=self.controls.canvas.behaviour.cache_tells_age)
        self._pass_edge(answer)
        self.ticket.answered(str(answer.status_code))
        if self.fault.drip and (body := answer.get_data()):
            answer.response = self._drip(body)
        else:
            self.ticket.end()
        return answer

    def _find_stored(self) -> Stored | None:
        canvas, asked = self.controls.canvas, self.asked
        if asked.kind is not Kind.AUTHENTICATE or not self.fault.does_work:
            return None
        if canvas.behaviour.cache_obeys and asked.uncached:
            return None
        return self.controls.cache.find(asked.consumer, canvas.date(), canvas.behaviour.cache)

    def _pass_edge(self, answer: Response) -> None:
        if self.fault.encoding is not None:
            encode(answer, self.fault.encoding)
        add_headers(answer, self.fault.headers)
        if self.fault.interim is not None:
            send_interim(self.asked.connection, self.fault.interim)

    def look(self) -> None:
        """Notice a caller that hung up."""
        if hung_up(self.asked.connection):
            self.ticket.abandoned()

    def _hold(self, where: Hold) -> None:
        if self.fault.hold is where:
            self.controls.gate.hold(self.era, self.look)

    def _work(self) -> tuple[int, dict[str, str] | None]:
        if not self.fault.does_work:
            return HTTPStatus.OK, None
        try:
            lifetime = _PAST if self.fault.expiry is Expiry.PAST else None
            document = self._written(self.asked.work(lifetime=lifetime))
        except WrongKeysError:
            return HTTPStatus.UNAUTHORIZED, None
        except UnknownRefreshTokenError:
            return HTTPStatus.NOT_FOUND, None
        if self.asked.kind is Kind.AUTHENTICATE:
            self.controls.cache.put(
                self.asked.consumer, Stored(document, self.controls.canvas.date())
            )
        return HTTPStatus.OK, document

    def _written(self, answer: Answer) -> dict[str, str]:
        behaviour = self.controls.canvas.behaviour
        form = partial(
            timestamp,
            digits=behaviour.fraction_digits,
            drop_zeros=behaviour.drop_zeros,
            utc=behaviour.utc_as,
        )
        return answer.document(form)

    def _drop(self) -> Response:
        self.ticket.answered(DROPPED)
        self.ticket.end()
        return Dropped()

    def _drip(self, body: bytes) -> Iterator[bytes]:
        try:
            for place in range(len(body) - 1):
                self._wait_for_a_byte()
                yield body[place : place + 1]
            self._wait_for_a_byte()
        finally:  # before the last byte goes out, or when it cannot go out any more
            self.ticket.end()
        yield body[-1:]

    def _wait_for_a_byte(self) -> None:
        self.controls.gate.pause(self.fault.drip, self.look)


def hung_up(connection: socket.socket | None) -> bool:
    """Tell whether the other side has closed ``connection``."""
    if connection is None:
        return False
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
