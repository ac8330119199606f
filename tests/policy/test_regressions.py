"""Bugs that other token caches had, each by its name; here none of them may come."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from broker.credentials import Credentials
from broker.errors import (
    AmbiguousError,
    KeysRejectedError,
    ThrottledError,
    UnavailableError,
    UpstreamError,
)
from broker.failure_kinds import FailureKind
from broker.limits import Limits
from broker.ports import Slot
from broker.tokens import Kind, TokenPair
from broker.upstream.pair import read_pair
from tests.policy.fleet import KEYS, NEW_KEYS, Fleet, Worker, make_stale
from tests.upstream import samples

AUTHENTICATE, REFRESH = Kind.AUTHENTICATE, Kind.REFRESH
TIMEOUT = AmbiguousError("timeout")


def break_canvas(fleet: Fleet, error: UpstreamError) -> list[float]:
    """Let every call fail from now on; return the list of the instants of those to come."""
    times: list[float] = []

    def answer() -> None:
        times.append(fleet.clock.monotonic())
        raise error

    fleet.canvas.before_answer = answer
    return times


def test_valid_token_displaced_by_a_refresh_error(fleet: Fleet, worker: Worker) -> None:
    """Elsewhere a failed refresh was raised to the caller, or cleared the cache, early."""
    make_stale(fleet)
    break_canvas(fleet, TIMEOUT)
    fleet.run(120, asking=True)
    assert len(fleet.canvas.calls) >= 2
    assert worker.token() == "access-1"


def test_expired_token_returned_while_throttled(fleet: Fleet, worker: Worker) -> None:
    """Elsewhere the limit on attempts answered with whatever was cached, also when expired."""
    worker.ask()
    fleet.run(399)
    break_canvas(fleet, ThrottledError("throttled", retry_after=300.0))
    fleet.run(197)
    for _ in range(100):
        assert worker.refused().retry_after >= 1
        fleet.run(1)
    assert 1 <= len(fleet.canvas.calls) - 1 <= 2


def test_refresher_loop_dying(
    fleet: Fleet, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere one exception ended the background thread, and tokens expired unnoticed."""
    fleet.workers[1:] = []
    worker.ask()
    monkeypatch.setattr(worker.broker, "tick", _crash)
    worker.tick()
    monkeypatch.undo()
    worker.link.crashes = {"read", "acquire"}
    fleet.run(420)
    worker.link.crashes = set()
    fleet.run(30)
    assert worker.token() == "access-2"


def test_loop_running_hot(fleet: Fleet, worker: Worker) -> None:
    """Elsewhere a token shorter than the margin was due at once again, and the loop spun."""
    fleet.canvas.lifetime = 3.0
    times: list[float] = []
    fleet.canvas.before_answer = lambda: times.append(fleet.clock.monotonic())
    for _ in range(600):
        fleet.run(0.2)
        worker.refused()
    assert 3 <= len(times) <= 60
    assert min(later - earlier for earlier, later in pairwise(times)) >= 1
    assert worker.link.counts["read"] <= 4 * 120


def test_waiters_retrying_one_after_another(fleet: Fleet, worker: Worker) -> None:
    """Elsewhere each waiter took the lock of a failed leader in turn and called upstream itself."""
    worker.runtime.hold = True
    break_canvas(fleet, TIMEOUT)
    outcomes: list[str] = []
    left = iter(range(7))

    def let_go() -> None:
        worker.runtime.hold = False
        worker.runtime.release()

    def arrive() -> None:
        fleet.clock.later(0.05, let_go if next(left, None) is None else arrive)
        with pytest.raises(UnavailableError) as caught:
            worker.ask()
        outcomes.append(type(caught.value).__name__)

    arrive()
    assert outcomes == ["TemporarilyUnavailableError"] * 8
    assert fleet.canvas.calls == [AUTHENTICATE]
    assert worker.link.counts == {"read": 1, "acquire": 1, "fail": 1}


@pytest.mark.parametrize("lease", [2.0, 10.0, 24.9])
def test_lock_shorter_than_the_call(lease: float) -> None:
    """Elsewhere a lock of two seconds guarded a call of ten, and two held it: refused at start."""
    assert any("BROKER_LEASE is" in problem for problem in Limits(lease=lease).problems())
    assert not list(Limits(lease=25.0).problems())


def test_holder_with_too_little_lease_left(fleet: Fleet, worker: Worker) -> None:
    """Elsewhere a holder that came late to its call sent it after the lock had gone to another."""
    make_stale(fleet)
    fleet.workers[1:] = []
    worker.link.seconds = 17.5
    worker.tick()
    assert fleet.canvas.calls == []
    assert "acme failed refresh lease_too_short" in worker.notes.lines


def test_lock_held_by_nobody_after_a_lost_reply(fleet: Fleet, worker: Worker) -> None:
    """Elsewhere a lock whose reply was lost was never used nor freed, and all waited for it."""
    make_stale(fleet)
    fleet.workers[1:] = []
    worker.link.deaf = {"acquire"}
    worker.tick()
    worker.link.deaf = set()
    fleet.run(2)
    assert fleet.canvas.calls == [REFRESH]
    assert fleet.shelf().lease is None


def test_refreshing_without_the_lease_after_waiting(
    fleet: Fleet, worker: Worker, other: Worker
) -> None:
    """Elsewhere who had waited for the lock in vain refreshed all the same, without it."""
    fleet.server.open("acme", KEYS).acquire("elsewhere", 0, Slot.NONE)
    for each in (worker, other, worker, other):
        assert each.refused().retry_after >= 1
    assert fleet.canvas.calls == []


def test_loser_deleting_the_winners_tokens(fleet: Fleet, worker: Worker, other: Worker) -> None:
    """Elsewhere who came second got "not found" for its old refresh token, and cleared the new."""
    make_stale(fleet)

    def pause() -> None:
        fleet.canvas.before_answer = lambda: None
        fleet.clock.sleep(26)
        other.tick()
        fleet.canvas.errors = [KeysRejectedError("keys_rejected")] * 2

    fleet.canvas.before_answer = pause
    worker.tick()
    fleet.most_in_flight = 1  # two are allowed after such a pause
    fleet.run(1)
    assert worker.token() == other.token() == "access-2"
    assert fleet.shelf().record is not None
    assert fleet.shelf().backoff is None


def test_tight_retry_on_dead_credentials(fleet: Fleet, worker: Worker) -> None:
    """Elsewhere refused keys were tried again with every request, until the account was locked."""
    break_canvas(fleet, KeysRejectedError("keys_rejected"))
    for _ in range(3600):
        fleet.run(1)
        worker.refused()
    assert len(fleet.canvas.calls) <= 6 + 3600 // 900


def test_one_organization_throttling_another(fleet: Fleet, worker: Worker) -> None:
    """Elsewhere one limit on attempts stood for all: the failures of one stopped the others."""
    fleet.configure({"acme": KEYS, "globex": NEW_KEYS})
    fleet.canvas.before_answer = _fail_for(fleet, KEYS)
    for _ in range(60):
        fleet.run(20)
        worker.refused("acme")
        assert worker.ask("globex").expires_in > 100
    assert [one.failures > 0 for one in worker.broker.health()] == [True, False]


@pytest.mark.parametrize("value", [..., None, "", 0, "never"])
def test_missing_expiry_read_as_forever(value: object) -> None:
    """Elsewhere a token without a readable expiry was taken for one that does not expire."""
    content = samples.body(access_token="Bearer opaque", accessTokenExpiresDateTime=value)
    assert isinstance(read_pair(samples.answer(content=content)), AmbiguousError)
    found = read_pair(samples.answer(content=samples.body(refreshTokenExpiresDateTime=value)))
    assert isinstance(found, TokenPair)
    assert found.refresh is None


@pytest.mark.parametrize(
    "body", [b"<html>Down for maintenance</html>", b"", b"null", b'"ok"', b"[]"]
)
def test_200_with_html(body: bytes) -> None:
    """Elsewhere a proxy's page of status 200 was stored as the token, or crashed the reader."""
    found = read_pair(samples.answer(content=body))
    assert not isinstance(found, TokenPair)
    assert found.kind in set(FailureKind)
    assert isinstance(found, AmbiguousError)


def _crash() -> None:
    raise ZeroDivisionError


def _fail_for(fleet: Fleet, keys: Credentials) -> Callable[[], None]:
    def answer() -> None:
        if fleet.canvas.versions[-1] == keys.version:
            raise TIMEOUT

    return answer
