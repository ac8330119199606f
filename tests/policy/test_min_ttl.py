"""``min_ttl``: the seconds that a caller's token must still live."""

import pytest

from broker.errors import AmbiguousError, InvalidRequestError, TemporarilyUnavailableError
from broker.tokens import Kind
from tests.policy.fleet import Fleet, Worker

LONG_AGO = 100.0
"""Seconds after which a token of 600 s is fresh and has less than 540 s left."""


def test_zero_forces_nothing(fleet: Fleet, worker: Worker) -> None:
    """Any token that may be served lives at least zero seconds."""
    worker.ask()
    fleet.clock.sleep(LONG_AGO)
    assert worker.ask(min_ttl=0).access_token.reveal() == "access-1"
    assert len(fleet.canvas.calls) == 1


def test_met_by_the_present_token(fleet: Fleet, worker: Worker) -> None:
    """A token that lives long enough is served as it is."""
    worker.ask()
    fleet.clock.sleep(LONG_AGO)
    assert worker.ask(min_ttl=499).access_token.reveal() == "access-1"
    assert len(fleet.canvas.calls) == 1


def test_refreshes_a_fresh_token_that_is_too_short(fleet: Fleet, worker: Worker) -> None:
    """The greatest allowed value is served by a forced refresh."""
    worker.ask()
    fleet.clock.sleep(LONG_AGO)
    served = worker.ask(min_ttl=540)
    assert served.access_token.reveal() == "access-2"
    assert served.expires_in >= 540
    assert fleet.canvas.calls == [Kind.AUTHENTICATE, Kind.REFRESH]


def test_more_than_a_token_can_have(worker: Worker) -> None:
    """Above the full lifetime minus 60 s it is the caller's mistake, and the sentence says so."""
    worker.ask()
    with pytest.raises(InvalidRequestError) as caught:
        worker.ask(min_ttl=541)
    assert str(caught.value) == (
        "min_ttl must be 0 to 540 (this token's full lifetime minus 60 seconds)"
    )


def test_limit_follows_the_present_token(fleet: Fleet, worker: Worker) -> None:
    """The lifetime is that of the token at hand, not a constant."""
    fleet.canvas.lifetime = 899
    assert worker.ask(min_ttl=839).expires_in >= 839
    with pytest.raises(InvalidRequestError, match="0 to 839 "):
        worker.ask(min_ttl=840)


def test_token_shorter_than_the_reserve(fleet: Fleet, worker: Worker) -> None:
    """Of a token that lives less than a minute, only zero can be asked."""
    fleet.canvas.lifetime = 50
    worker.ask(min_ttl=0)
    with pytest.raises(InvalidRequestError, match="0 to 0 "):
        worker.ask(min_ttl=1)


def test_not_met_after_one_forced_refresh(fleet: Fleet, worker: Worker) -> None:
    """If the new token does not meet it either, the answer is 503, after one refresh only."""
    worker.ask()
    fleet.clock.sleep(LONG_AGO)
    fleet.canvas.lifetime = 300
    error = worker.refused(min_ttl=540)
    assert isinstance(error, TemporarilyUnavailableError)
    assert error.retry_after == 5
    assert len(fleet.canvas.calls) == 2


def test_never_a_shorter_token_while_canvas_fails(fleet: Fleet, worker: Worker) -> None:
    """A failed refresh gives 503, and the backoff holds against callers who insist."""
    worker.ask()
    fleet.clock.sleep(LONG_AGO)
    fleet.canvas.errors = [AmbiguousError("timeout")]
    for _ in range(5):
        assert isinstance(worker.refused(min_ttl=540), TemporarilyUnavailableError)
    assert len(fleet.canvas.calls) == 2
    assert worker.token() == "access-1"


def test_forced_once_for_the_fleet(fleet: Fleet) -> None:
    """However many workers are asked, one forced refresh serves them all."""
    fleet.run(LONG_AGO, asking=True)
    tokens = {
        worker.ask(min_ttl=540).access_token.reveal() for _ in range(5) for worker in fleet.workers
    }
    assert tokens == {"access-2"}
    assert len(fleet.canvas.calls) == 2


def test_waits_once_for_all_its_wishes(fleet: Fleet, worker: Worker) -> None:
    """A critical token and a min_ttl do not add up their waits: a request ends in time."""
    worker.ask()
    fleet.clock.sleep(575)
    worker.runtime.hold = True
    now = fleet.clock.monotonic()
    assert isinstance(worker.refused(min_ttl=540), TemporarilyUnavailableError)
    assert fleet.clock.monotonic() - now <= 4.5
    worker.runtime.release()


def test_joins_a_look_that_is_under_way(fleet: Fleet, worker: Worker) -> None:
    """A flight that only looks does not stand in the way of the forced refresh."""
    worker.ask()
    fleet.clock.sleep(LONG_AGO)
    worker.ask()
    fleet.clock.sleep(0.8)
    worker.runtime.hold = True
    worker.tick()
    worker.runtime.hold = False
    fleet.clock.later(0.5, worker.runtime.release)
    assert worker.ask(min_ttl=540).access_token.reveal() == "access-2"
