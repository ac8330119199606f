import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from broker.kubernetes import keys as module
from broker.kubernetes.keys import MOST_WAITING, Keys
from tests.kubernetes.asking import cannot_tell
from tests.kubernetes.publisher import NEW, OLD, Publisher, document

PATIENCE = 10.0


class Gate:
    """Holds a fetch until the test lets it go on."""

    def __init__(self, publisher: Publisher) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()
        publisher.before = self._pass

    def _pass(self) -> None:
        self.reached.set()
        assert self.opened.wait(PATIENCE)


@pytest.mark.parametrize("fresh", [True, False])
def test_all_who_look_at_once_share_one_fetch(
    keys: Keys, publisher: Publisher, *, fresh: bool
) -> None:
    """One thread fetches, the others wait for it, and all find what it brought."""
    if not fresh:
        keys.refresh()
        publisher.fetches = 0
    publisher.answer = document(OLD, NEW)
    gate = Gate(publisher)
    with ThreadPoolExecutor(8) as pool:
        looks = [pool.submit(keys.find, NEW.kid) for _ in range(8)]
        assert gate.reached.wait(PATIENCE)
        gate.opened.set()
        found = [look.result(PATIENCE) for look in looks]
    assert None not in found
    assert publisher.fetches == 1


def test_a_look_during_a_background_fetch_waits_for_it(keys: Keys, publisher: Publisher) -> None:
    """It finds what that brings, and fetches nothing itself."""
    gate = Gate(publisher)
    with ThreadPoolExecutor(2) as pool:
        refreshed = pool.submit(keys.refresh)
        assert gate.reached.wait(PATIENCE)
        look = pool.submit(keys.find, OLD.kid)
        gate.opened.set()
        assert look.result(PATIENCE) is not None
        assert refreshed.result(PATIENCE)
    assert publisher.fetches == 1


def test_waiting_for_the_fetch_of_another_is_bounded(
    fetched: Keys, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waited in vain cannot tell; known keys are not held up meanwhile."""
    monkeypatch.setattr(module, "FLIGHT_WAIT", 0.01)
    gate = Gate(publisher)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(fetched.find, "made-up")
        assert gate.reached.wait(PATIENCE)
        assert cannot_tell(fetched, NEW.kid) == 1
        assert not fetched.refresh()
        assert fetched.find(OLD.kid) is not None
        assert publisher.fetches == 1
        gate.opened.set()
        assert first.result(PATIENCE) is None


def test_a_thread_that_is_ended_in_its_fetch_holds_nobody_up(
    keys: Keys, publisher: Publisher
) -> None:
    """The flight lands also with an exception that is none of ours to catch."""

    def end() -> None:
        raise SystemExit

    publisher.before = end
    with pytest.raises(SystemExit):
        keys.refresh()
    assert keys.failure == "crashed"
    publisher.before = lambda: None
    assert keys.refresh()


def test_only_so_many_may_wait(
    keys: Keys, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody can send unknown ids: they must not hold every thread of a worker."""
    assert keys._places._value == MOST_WAITING == 32
    monkeypatch.setattr(keys, "_places", threading.BoundedSemaphore(2))
    gate = Gate(publisher)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(keys.find, OLD.kid)
        assert gate.reached.wait(PATIENCE)
        second = pool.submit(keys.find, OLD.kid)
        while keys._places._value:
            threading.Event().wait(0.001)
        assert cannot_tell(keys, OLD.kid) == 1
        gate.opened.set()
        assert first.result(PATIENCE) == second.result(PATIENCE)
    assert keys.find(OLD.kid) is not None
