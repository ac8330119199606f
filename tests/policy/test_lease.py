"""The lease: one at a time, and an answer that is lost leaves no ghost."""

import pytest

from broker.errors import NotSentError
from broker.policy.lease import wish
from broker.ports import Failure, Slot
from broker.tokens import Kind
from tests.policy.fleet import KEYS, Fleet, Worker, commit_elsewhere, make_stale

AUTHENTICATE, REFRESH = Kind.AUTHENTICATE, Kind.REFRESH


class TestAnswerLost:
    def test_lease_was_granted(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """The same attempt asks again and gets its own lease: no ghost blocks anybody."""
        make_stale(fleet)
        other.runtime.hold = True
        worker.link.deaf = {"acquire"}
        worker.tick()
        assert fleet.canvas.calls == []
        worker.link.deaf = set()
        fleet.run(1)
        assert fleet.canvas.calls == [REFRESH]
        assert worker.token() == "access-2"
        assert fleet.shelf().lease is None

    def test_too_late_to_ask_again(self, fleet: Fleet, worker: Worker) -> None:
        """What is left of the lost lease is too short: nothing is sent, and it is given back."""
        make_stale(fleet)
        fleet.workers[1].runtime.hold = True
        worker.link.deaf = {"acquire"}
        worker.tick()
        worker.link.deaf, worker.link.down = set(), True
        fleet.clock.sleep(20)
        worker.link.down = False
        fleet.run(0.3)
        assert fleet.canvas.calls == []
        assert fleet.shelf().lease is None
        fleet.run(5)
        assert fleet.canvas.calls == [REFRESH]
        assert fleet.canvas.presented == ["refresh-1"]

    def test_lease_has_run_out_since(self, fleet: Fleet, worker: Worker) -> None:
        """The lost lease is over: its mark stands, and the next attempt authenticates."""
        make_stale(fleet)
        fleet.workers[1].runtime.hold = True
        worker.link.deaf = {"acquire"}
        worker.tick()
        worker.link.deaf, worker.link.down = set(), True
        fleet.clock.sleep(30)
        worker.link.down = False
        fleet.run(3)
        assert fleet.canvas.calls == [AUTHENTICATE]
        assert worker.token() == "access-2"

    def test_report_of_a_failure(self, fleet: Fleet, worker: Worker) -> None:
        """A failure whose report's answer is lost counts once."""
        fleet.canvas.errors = [NotSentError("dns")] * 2
        worker.link.deaf = {"fail"}
        worker.refused()
        worker.link.deaf = set()
        backoff = fleet.shelf().backoff
        assert backoff is not None
        assert backoff.failures == 1
        assert fleet.shelf().lease is None


class TestWish:
    """Which refresh token an attempt asks for; the store has the last word."""

    def test_own(self, fleet: Fleet, worker: Worker) -> None:
        """The record's own, while nobody has presented it."""
        worker.ask()
        assert wish(fleet.server.open("acme", KEYS).read(0), None) is Slot.OWN

    def test_presented(self, fleet: Fleet, worker: Worker) -> None:
        """None, once it is marked."""
        store = fleet.server.open("acme", KEYS)
        store.acquire("elsewhere", worker.ask().generation, Slot.OWN)
        assert wish(store.read(0), None) is Slot.NONE

    def test_foreign(self, fleet: Fleet, worker: Worker) -> None:
        """None of a record that was written to another server."""
        worker.ask()
        fleet.fail_over()
        assert wish(fleet.server.open("acme", KEYS).read(0), None) is Slot.NONE


class TestOneAtATime:
    def test_both_find_it_stale(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """A second worker that ticks in the middle of the call does not make one."""
        make_stale(fleet)
        fleet.canvas.before_answer = other.tick
        worker.tick()
        assert fleet.canvas.calls == [REFRESH]

    def test_cold_start_in_the_middle_of_another(
        self, fleet: Fleet, worker: Worker, other: Worker
    ) -> None:
        """The second worker follows the first one's Authenticate for three seconds at most."""
        waited: list[float] = []

        def ask_other() -> None:
            began = fleet.clock.monotonic()
            other.refused()
            waited.append(fleet.clock.monotonic() - began)

        fleet.canvas.before_answer = ask_other
        assert worker.token() == "access-1"
        assert waited == [pytest.approx(3.0, abs=0.15)]
        assert fleet.canvas.calls == [AUTHENTICATE]

    def test_follower_gets_the_token_as_it_comes(self, fleet: Fleet, worker: Worker) -> None:
        """A worker that waits for another's attempt serves its token at once."""
        fleet.server.open("acme", KEYS).acquire("elsewhere", 0, Slot.NONE)
        fleet.clock.later(1.0, lambda: commit_elsewhere(fleet))
        began = fleet.clock.monotonic()
        assert worker.token() == "access-elsewhere"
        assert fleet.clock.monotonic() - began == pytest.approx(1.0, abs=0.15)
        assert fleet.canvas.calls == []

    def test_follower_gets_the_failure_as_it_comes(self, fleet: Fleet, worker: Worker) -> None:
        """A worker that waits for another's attempt shares its failure, and tries nothing."""
        store = fleet.server.open("acme", KEYS)
        store.acquire("elsewhere", 0, Slot.NONE)
        failure = Failure("timeout", 4.0)
        fleet.clock.later(1.0, lambda: store.fail("elsewhere", 0, failure, clear_mark=False))
        began = fleet.clock.monotonic()
        assert worker.refused().retry_after == pytest.approx(4.0, abs=0.15)
        assert fleet.clock.monotonic() - began == pytest.approx(1.0, abs=0.15)
        assert fleet.canvas.calls == []

    def test_moved_between_look_and_acquire(self, fleet: Fleet, worker: Worker) -> None:
        """A record that came after the look is taken over; no call is made."""
        make_stale(fleet)
        worker.link.before["acquire"] = lambda: commit_elsewhere(fleet)
        worker.tick()
        assert worker.token() == "access-elsewhere"
        assert fleet.canvas.calls == []
