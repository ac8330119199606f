"""What health and metrics say of organizations that are, or are not, in use."""

import pytest

from broker.errors import NotSentError
from tests.policy.fleet import Fleet, Worker

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


def test_who_comes_back_after_long_has_waited_for_nothing(fleet: Fleet, worker: Worker) -> None:
    """The time in which nobody asked does not count."""
    worker.token()
    fleet.clock.sleep(10 * KEEP_WARM)
    assert not worker.health().in_use
    fleet.canvas.errors = [NotSentError("connect")] * 1000
    worker.refused()
    assert worker.health().overdue < 10
