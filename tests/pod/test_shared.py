import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from broker.pod.shared import FRESH, Shared
from tests.fakes import FakeClock


def numbers(clock: FakeClock, seconds: float = 0.0) -> Shared[int]:
    """Return what gives 0, 1, 2 and takes its time for each."""
    each = count()

    def make() -> int:
        clock.sleep(seconds)
        return next(each)

    return Shared(make, clock)


@pytest.mark.parametrize(("seconds", "second"), [(0.0, 0), (FRESH - 0.01, 0), (FRESH, 1)])
def test_an_answer_is_given_again_for_a_quarter_of_a_second(seconds: float, second: int) -> None:
    """Then it is made anew."""
    clock = FakeClock()
    shared = numbers(clock)
    assert shared.get() == 0
    clock.sleep(seconds)
    assert shared.get() == second


def test_the_age_counts_from_when_it_was_done() -> None:
    """Else those who waited for a slow one would each make another."""
    shared = numbers(FakeClock(), seconds=5.0)
    assert [shared.get(), shared.get()] == [0, 0]


def test_it_is_forgotten_once_it_is_not_given_again() -> None:
    """And not while another is made: nobody waits for that."""
    clock = FakeClock()
    shared: Shared[set[int]] = Shared(lambda: {1}, clock)
    kept = weakref.ref(shared.get())
    shared.forget()
    assert kept() is not None
    clock.sleep(FRESH)
    with shared._lock:
        shared.forget()
    assert kept() is not None
    shared.forget()
    assert kept() is None


def test_an_error_is_not_kept() -> None:
    """The next to ask tries again."""
    tries = iter((0, 1))
    shared = Shared(lambda: 1 // next(tries), FakeClock())
    with pytest.raises(ZeroDivisionError):
        shared.get()
    assert shared.get() == 1


def test_all_who_ask_meanwhile_wait_for_the_same() -> None:
    """One makes it, however many ask."""
    began, may_end = threading.Event(), threading.Event()
    each = count()

    def make() -> int:
        began.set()
        assert may_end.wait(10)
        return next(each)

    shared = Shared(make, FakeClock())
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(shared.get) for _ in range(20)]
        assert began.wait(10)
        may_end.set()
        assert {one.result(10) for one in answers} == {0}
