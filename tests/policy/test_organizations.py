"""One organization's fault changes nothing for another."""

from broker.credentials import Credentials
from broker.errors import AmbiguousError, CredentialsRejectedError, KeysRejectedError
from broker.ports import Slot
from tests.fakes import credentials
from tests.policy.fleet import KEYS, Fleet, Worker

GLOBEX = credentials("b")


def both(fleet: Fleet) -> None:
    """Give every worker two organizations."""
    fleet.configure({"acme": KEYS, "globex": GLOBEX})


def fail_for(fleet: Fleet, keys: Credentials, error: AmbiguousError | KeysRejectedError) -> None:
    """Let Canvas fail for one organization only, from now on."""

    def answer() -> None:
        if fleet.canvas.versions[-1] == keys.version:
            raise error

    fleet.canvas.before_answer = answer


def test_failure_and_backoff(fleet: Fleet, worker: Worker) -> None:
    """While one fails and is paused, the other is served and refreshed as ever."""
    both(fleet)
    fail_for(fleet, KEYS, AmbiguousError("timeout"))
    worker.refused("acme")
    for _ in range(50):
        fleet.run(20)
        assert worker.ask("globex").expires_in > 100
        worker.refused("acme")
    assert worker.health().failures > 1
    assert worker.broker.health()[1].failures == 0


def test_latch(fleet: Fleet, worker: Worker) -> None:
    """Refused keys of one organization latch that one alone."""
    both(fleet)
    fail_for(fleet, KEYS, KeysRejectedError("keys_rejected"))
    assert isinstance(worker.refused("acme"), CredentialsRejectedError)
    assert worker.ask("globex").expires_in > 0
    assert [each.latched for each in worker.broker.health()] == [True, False]


def test_lease(fleet: Fleet, worker: Worker) -> None:
    """A lease that somebody holds for one organization does not stop the other."""
    both(fleet)
    fleet.server.open("acme", KEYS).acquire("elsewhere", 0, Slot.NONE)
    began = fleet.clock.monotonic()
    worker.ask("globex")
    assert fleet.clock.monotonic() - began < 0.5


def test_same_keys(fleet: Fleet, worker: Worker) -> None:
    """Two organizations with the same keys still have a token each."""
    fleet.configure({"acme": KEYS, "globex": KEYS})
    assert worker.ask("acme").access_token != worker.ask("globex").access_token


def test_crash_of_one_flight(fleet: Fleet, worker: Worker) -> None:
    """An exception in one organization's flight leaves the other's alone."""
    both(fleet)
    fleet.server.shelves[("acme", KEYS.version)] = None  # type: ignore[assignment] # damaged
    fleet.run(3)
    assert "acme crashed AttributeError" in worker.notes.lines
    assert worker.ask("globex").expires_in > 0


def test_rejected_token_of_one(fleet: Fleet, worker: Worker) -> None:
    """A report against one organization's token refreshes that one alone."""
    both(fleet)
    other = worker.ask("globex").generation
    refused = worker.ask("acme").generation
    fleet.run(11)
    worker.ask("acme", rejected=refused)
    assert worker.ask("globex").generation == other
