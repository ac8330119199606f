"""Requests that wait: one flight for all of them, and one outcome."""

import pytest

from broker.errors import (
    AmbiguousError,
    KeysRejectedError,
    TemporarilyUnavailableError,
    UnavailableError,
)
from tests.fakes import credentials
from tests.policy.fleet import Fleet, Worker

TIMEOUT = AmbiguousError("timeout")


class Crowd:
    """Requests that arrive while the first one waits; remembers what each got."""

    def __init__(self, fleet: Fleet, size: int) -> None:
        self.outcomes: list[str] = []
        self._clock = fleet.clock
        self._worker = fleet.workers[0]
        self._size = size

    def arrive(self) -> None:
        """Ask; while waiting, the next one arrives; the last one lets the flight go."""
        self._size -= 1
        self._clock.later(0.05, self.arrive if self._size else self._let_go)
        try:
            self.outcomes.append(self._worker.token())
        except UnavailableError as error:
            self.outcomes.append(type(error).__name__)

    def _let_go(self) -> None:
        assert len(self._worker.runtime.held) == 1
        self._worker.runtime.release()


def test_request_does_not_look_beside_a_flight(fleet: Fleet, worker: Worker) -> None:
    """While a flight is under way, no request looks at Redis on its own."""
    worker.ask()
    fleet.clock.sleep(5)
    worker.runtime.hold = True
    worker.tick()
    worker.link.counts.clear()
    worker.ask()
    assert not worker.link.counts
    worker.runtime.release()


def test_all_get_the_leaders_token(fleet: Fleet, worker: Worker) -> None:
    """Eight requests wait for one flight; all get its token."""
    worker.runtime.hold = True
    crowd = Crowd(fleet, 8)
    crowd.arrive()
    assert crowd.outcomes == ["access-1"] * 8
    assert len(fleet.canvas.calls) == 1


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (TIMEOUT, "TemporarilyUnavailableError"),
        (KeysRejectedError("keys_rejected"), "CredentialsRejectedError"),
    ],
)
def test_all_get_the_leaders_error(
    fleet: Fleet, worker: Worker, error: AmbiguousError, outcome: str
) -> None:
    """The leader fails, seven wait: all get its error, and nobody calls Canvas again."""
    worker.runtime.hold = True
    fleet.canvas.errors = [error] * 100
    crowd = Crowd(fleet, 8)
    crowd.arrive()
    assert crowd.outcomes == [outcome] * 8
    assert len(fleet.canvas.calls) == 1


def test_no_place_to_wait() -> None:
    """Beyond the share of who asks a request gets its answer at once, and is counted."""
    crowded = Fleet(1, waiters=5)
    worker = crowded.workers[0]
    worker.runtime.hold = True
    waited: list[float] = []

    def ask() -> None:
        began = crowded.clock.monotonic()
        assert isinstance(worker.refused(), TemporarilyUnavailableError)
        waited.append(crowded.clock.monotonic() - began)

    crowded.clock.later(0.5, ask)
    crowded.clock.later(1.0, ask)
    ask()
    assert waited[0] == 0.0
    assert min(waited[1:]) >= 2.5
    assert worker.notes.lines.count("acme turned away") == 1


def test_places_are_given_back() -> None:
    """Waiting that ended in an error, or in time, takes no place away for good."""
    crowded = Fleet(1, waiters=1)
    worker = crowded.workers[0]
    crowded.canvas.errors = [TIMEOUT] * 3
    for _ in range(3):
        worker.refused()
        crowded.clock.sleep(5)
    assert worker.token() == "access-1"


def test_another_organizations_waiters_do_not_stop_a_flight() -> None:
    """With every place taken by one organization, another's first request still starts a flight."""
    crowded = Fleet(1, waiters=1)
    worker = crowded.workers[0]
    crowded.configure({"acme": credentials("a"), "globex": credentials("b")})
    worker.runtime.hold = True

    def ask_globex() -> None:
        worker.refused("globex")
        assert len(worker.runtime.held) == 2

    crowded.clock.later(0.5, ask_globex)
    worker.refused("acme")
    worker.runtime.hold = False
    worker.runtime.release()
    assert worker.ask("globex").access_token.reveal() == "access-2"


def test_fresh_token_needs_no_place() -> None:
    """However many wait, a valid token is served."""
    crowded = Fleet(1, waiters=1)
    worker = crowded.workers[0]
    crowded.configure({"acme": credentials("a"), "globex": credentials("b")})
    worker.ask("globex")
    worker.runtime.hold = True
    served: list[str] = []
    crowded.clock.later(0.5, lambda: served.append(worker.ask("globex").organization))
    worker.refused("acme")
    assert served == ["globex"]
    worker.runtime.release()


def test_failed_flight_is_not_followed_by_another(fleet: Fleet, worker: Worker) -> None:
    """One request causes at most one attempt, even when it asks for more than can be had."""
    generation = worker.ask().generation
    fleet.clock.sleep(575)
    fleet.canvas.errors = [TIMEOUT] * 10
    worker.runtime.chance = 0.0
    worker.refused(min_ttl=540, rejected=generation)
    assert len(fleet.canvas.calls) == 2
