"""The refresher and its flights survive whatever happens, and do not run hot."""

import threading
from collections.abc import Callable
from itertools import pairwise

import pytest

from broker.clock import SystemClock
from broker.errors import AmbiguousError
from broker.policy.refresher import Refresher
from broker.tokens import Kind
from tests.fakes import Notes, credentials
from tests.policy.fleet import KEYS, Fleet, Worker

AUTHENTICATE = Kind.AUTHENTICATE


class Refuser:
    """Stands for a pool that has no thread left, for a while."""

    def __init__(self, spawn: Callable[[Callable[[], None]], None]) -> None:
        self.refusals = 1
        self._spawn = spawn

    def __call__(self, work: Callable[[], None]) -> None:
        """Refuse as often as told, then spawn."""
        if self.refusals:
            self.refusals -= 1
            raise RuntimeError("can't start new thread")
        self._spawn(work)


@pytest.mark.parametrize("operation", ["read", "acquire", "commit"])
def test_crash_in_a_flight(fleet: Fleet, worker: Worker, operation: str) -> None:
    """An exception that nobody foresaw is told, survived and gone when its cause is."""
    fleet.workers.remove(fleet.workers[1])
    worker.link.crashes = {operation}
    fleet.run(10)
    assert "acme crashed ZeroDivisionError" in worker.notes.lines
    worker.link.crashes = set()
    fleet.run(30)
    assert worker.ask().expires_in > 0


@pytest.mark.parametrize("operation", ["read", "acquire", "commit", "fail", "canvas"])
def test_crash_does_not_run_hot(fleet: Fleet, worker: Worker, operation: str) -> None:
    """Ticks and insisting callers together never make two attempts within a second."""
    fleet.workers.remove(fleet.workers[1])
    worker.link.crashes = {operation}
    times: list[float] = []

    def answer() -> None:
        times.append(fleet.clock.monotonic())
        if operation == "canvas":
            crash()
        if operation == "fail":
            raise AmbiguousError("timeout")

    fleet.canvas.before_answer = answer
    began = fleet.clock.monotonic()
    while fleet.clock.monotonic() < began + 120:
        fleet.run(0.2)
        worker.refused()
    assert all(later - earlier >= 1 for earlier, later in pairwise(times))
    assert len(times) <= 5
    assert worker.link.counts["acquire"] <= 160
    assert worker.notes.lines.count("acme crashed ZeroDivisionError") <= 240


def test_crash_in_canvas_client_costs_the_lease(fleet: Fleet, worker: Worker) -> None:
    """After such a crash nobody knows what Canvas did: the lease runs out, then one tries again."""
    fleet.canvas.before_answer = crash
    worker.refused()
    fleet.canvas.before_answer = lambda: None
    fleet.run(20)
    assert fleet.canvas.calls == [AUTHENTICATE]
    fleet.run(10)
    assert fleet.canvas.calls == [AUTHENTICATE, AUTHENTICATE]


def test_crash_stays_in_its_thread(worker: Worker) -> None:
    """A flight raises nothing into the pool that carries it."""
    worker.runtime.hold = True
    worker.tick()
    worker.link.crashes = {"read"}
    worker.runtime.release()
    assert worker.notes.lines == ["acme crashed ZeroDivisionError"]


def test_callers_get_no_foreign_exception(worker: Worker) -> None:
    """A crash behind a request ends in an error of the contract."""
    worker.link.crashes = {"acquire"}
    assert worker.refused().retry_after >= 1


def test_no_thread_left(fleet: Fleet, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flight that cannot be started is tried again; the organization is not stuck."""
    monkeypatch.setattr(worker.runtime, "spawn", Refuser(worker.runtime.spawn))
    assert worker.refused().retry_after >= 1
    fleet.clock.sleep(2)
    assert worker.token() == "access-1"


def test_no_thread_left_for_one(
    fleet: Fleet, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tick in which one flight cannot be started still starts the others, and the one later."""
    fleet.workers.remove(fleet.workers[1])
    fleet.configure({"acme": KEYS, "globex": credentials("b")})
    monkeypatch.setattr(worker.runtime, "spawn", Refuser(worker.runtime.spawn))
    worker.tick()
    assert "globex committed" in worker.notes.lines
    fleet.run(2)
    assert "acme committed" in worker.notes.lines


def test_tick_survives_an_exception(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a tick raises is told, and the next tick comes."""
    monkeypatch.setattr(worker.broker, "tick", crash)
    worker.tick()
    worker.tick()
    assert worker.notes.lines == ["* crashed ZeroDivisionError"] * 2


def test_loop_goes_on_after_an_exception_and_ends_when_told(
    fleet: Fleet, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop ticks five times a second, through exceptions, until it is stopped."""
    monkeypatch.setattr(worker.broker, "tick", crash)
    fleet.clock.later(2.0, worker.refresher.stop)
    began = fleet.clock.monotonic()
    worker.refresher.run()
    assert fleet.clock.monotonic() - began <= 2.3
    assert 9 <= len(worker.notes.lines) <= 11


def test_loop_on_a_thread(worker: Worker) -> None:
    """The loop runs on a thread of its own and ends within a tick."""
    refresher = Refresher(worker.broker, SystemClock(), Notes())
    thread = threading.Thread(target=refresher.run)
    thread.start()
    refresher.stop()
    thread.join(timeout=5)
    assert not thread.is_alive()


def crash() -> None:
    """Fail in a way that nobody foresaw."""
    raise ZeroDivisionError
