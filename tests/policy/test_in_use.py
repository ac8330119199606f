"""What health and metrics say of organizations that are, or are not, in use."""

import pytest

from broker.errors import NotSentError
from broker.ports import Slot
from broker.tokens import State
from tests.policy.fleet import ACME, KEYS, LIMITS, Fleet, Worker

KEEP_WARM = 3600


def test_one_that_nobody_has_asked_for_is_not_in_use(fleet: Fleet, worker: Worker) -> None:
    """Its token is kept warm after the start, but nobody would miss it."""
    fleet.canvas.errors = [NotSentError("connect")] * 1000
    fleet.run(200)
    assert not worker.health().in_use
    assert worker.health().overdue == 0


def test_a_first_token_is_overdue_from_the_first_request_on(fleet: Fleet, worker: Worker) -> None:
    """Not from the start."""
    fleet.canvas.errors = [NotSentError("connect")] * 1000
    fleet.run(100)
    worker.refused()
    asked = fleet.clock.monotonic()
    fleet.run(50)
    assert worker.health().in_use
    assert worker.health().overdue == pytest.approx(fleet.clock.monotonic() - asked, abs=4)


def test_a_token_is_overdue_from_its_margin_on(fleet: Fleet, worker: Worker) -> None:
    """And no longer once there is a new one."""
    worker.token()
    assert worker.health().overdue == 0
    fleet.canvas.errors = [NotSentError("connect")] * 1000
    fleet.run(450, asking=True)
    late = worker.health().overdue
    assert late > 20
    fleet.canvas.errors.clear()
    fleet.run(60, asking=True)
    assert worker.health().overdue == 0


def test_requests_are_refused_once_a_token_is_later_than_one_waits(
    fleet: Fleet, worker: Worker
) -> None:
    """Only while there is none, and only of what somebody asks for."""
    store = fleet.server.open(ACME, KEYS)
    store.acquire("elsewhere", 0, Slot.NONE)
    fleet.run(5)
    assert not worker.health().refusing
    meanwhile: list[bool] = []
    fleet.clock.later(2.5, lambda: meanwhile.append(worker.health().refusing))
    worker.refused()
    fleet.clock.sleep(0.1)
    assert meanwhile == [False]
    assert worker.health().refusing
    assert worker.health().overdue == pytest.approx(LIMITS.wait, abs=0.3)
    fleet.run(LIMITS.lease)
    assert worker.health().state is State.FRESH
    assert not worker.health().refusing


def test_a_token_that_died_is_refused_at_once(fleet: Fleet, worker: Worker) -> None:
    """It has been due for long by then; until then the old one is served."""
    worker.token()
    fleet.canvas.errors = [NotSentError("connect")] * 1000
    fleet.run(590, asking=True)
    assert not worker.health().refusing
    fleet.run(6)
    assert worker.health().refusing


def test_who_comes_back_after_long_has_waited_for_nothing(fleet: Fleet, worker: Worker) -> None:
    """The time in which nobody asked does not count."""
    worker.token()
    fleet.clock.sleep(10 * KEEP_WARM)
    assert not worker.health().in_use
    assert not worker.health().refusing
    fleet.canvas.errors = [NotSentError("connect")] * 1000
    worker.refused()
    assert worker.health().overdue < 10
