"""The policy's runtime on real threads: work runs beside its caller, and signals wake."""

import threading
from collections.abc import Iterator
from contextvars import ContextVar
from functools import partial

import pytest

from broker.threads import FLIGHTS, ThreadRuntime

PATIENCE = 10.0


@pytest.fixture
def runtime() -> Iterator[ThreadRuntime]:
    """Close the runtime with the test."""
    made = ThreadRuntime()
    yield made
    made.close()


def test_work_runs_on_another_thread(runtime: ThreadRuntime) -> None:
    """Its name says what it is for."""
    names: list[str] = []
    done = runtime.signal()

    def work() -> None:
        names.append(threading.current_thread().name)
        done.set()

    runtime.spawn(work)
    assert done.wait(PATIENCE)
    assert names[0].startswith("flight")


def test_slow_work_holds_up_no_other(runtime: ThreadRuntime) -> None:
    """As many as may fly do fly at once; one more waits for a place."""
    all_fly = threading.Barrier(FLIGHTS + 1)
    land, last = runtime.signal(), runtime.signal()

    def fly() -> None:
        all_fly.wait(PATIENCE)
        land.wait(PATIENCE)

    for _ in range(FLIGHTS):
        runtime.spawn(fly)
    runtime.spawn(last.set)
    all_fly.wait(PATIENCE)
    assert not last.is_set()
    land.set()
    assert last.wait(PATIENCE)


def wait_for(signal: threading.Event) -> None:
    """Wait until it is set."""
    signal.wait(PATIENCE)


def test_a_sweep_waits_for_no_flight(runtime: ThreadRuntime) -> None:
    """However many fly, and whatever waits behind them."""
    names: list[str] = []
    land, swept = runtime.signal(), runtime.signal()

    def sweep() -> None:
        names.append(threading.current_thread().name)
        swept.set()

    for _ in range(2 * FLIGHTS):
        runtime.spawn(partial(wait_for, land))
    runtime.spawn_sweep(sweep)
    assert swept.wait(PATIENCE)
    land.set()
    assert names[0].startswith("sweep")


def test_work_that_fails_takes_no_thread_with_it(runtime: ThreadRuntime) -> None:
    """The next one runs."""
    done = runtime.signal()

    def fail() -> None:
        raise RuntimeError

    for _ in range(FLIGHTS + 1):
        runtime.spawn(fail)
    runtime.spawn(done.set)
    assert done.wait(PATIENCE)


def test_a_signal_tells_whether_it_was_set_in_time(runtime: ThreadRuntime) -> None:
    """Each is its own."""
    one, other = runtime.signal(), runtime.signal()
    assert not one.wait(0.001)
    one.set()
    assert one.wait(0)
    assert not other.wait(0)


def test_chances_lie_between_zero_and_one_and_differ(runtime: ThreadRuntime) -> None:
    """Two workers do not draw the same ones."""
    drawn = [runtime.random() for _ in range(100)]
    assert all(0 <= chance <= 1 for chance in drawn)
    assert len(set(drawn)) > 90
    assert drawn != [ThreadRuntime().random() for _ in range(100)]


def test_no_two_attempts_have_one_id(runtime: ThreadRuntime) -> None:
    """They are plain enough for a key in Redis."""
    ids = {runtime.attempt_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(one.isalnum() and len(one) == 32 for one in ids)


def test_a_closed_runtime_ends_what_runs_and_starts_nothing(runtime: ThreadRuntime) -> None:
    """What waited for a place is dropped, and closing twice is as once."""
    begun, land, landed, dropped = (runtime.signal() for _ in range(4))
    for _ in range(FLIGHTS):

        def fly() -> None:
            begun.set()
            land.wait(PATIENCE)
            landed.set()

        runtime.spawn(fly)
    runtime.spawn(dropped.set)
    assert begun.wait(PATIENCE)
    runtime.close()
    runtime.close()
    with pytest.raises(RuntimeError):
        runtime.spawn(lambda: None)
    land.set()
    assert landed.wait(PATIENCE)
    assert not dropped.wait(0.05)


def test_work_keeps_the_context_of_whoever_asked_for_it(runtime: ThreadRuntime) -> None:
    """So that log lines of a flight name the request behind it; none else is touched."""
    variable: ContextVar[str] = ContextVar("variable", default="none")
    heard: list[str] = []
    variable.set("asker")
    for _ in range(2):
        done = runtime.signal()

        def work(done: threading.Event = done) -> None:
            heard.append(variable.get())
            variable.set("work")
            done.set()

        runtime.spawn(work)
        assert done.wait(PATIENCE)
    assert heard == ["asker", "asker"]
    assert variable.get() == "asker"
