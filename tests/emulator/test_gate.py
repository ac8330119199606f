"""Calls wait at the gate until they are released, or their time is over."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from broker.emulator.gate import Gate

PATIENCE = 5.0


def _nothing() -> None:
    """Look at nothing."""


@pytest.fixture
def start() -> Iterator[Callable[[Callable[[], None]], Future[None]]]:
    """Run something on a thread of its own."""
    with ThreadPoolExecutor(4) as pool:
        yield pool.submit


def test_a_held_call_waits_until_it_is_released(
    start: Callable[[Callable[[], None]], Future[None]],
) -> None:
    """And is counted as long as it waits."""
    gate = Gate()
    era = gate.era
    held = [start(lambda: gate.hold(era, _nothing)) for _ in range(2)]
    assert gate.wait_held(2, PATIENCE)
    assert not any(call.done() for call in held)
    assert gate.release() == 2
    for call in held:
        call.result(PATIENCE)
    assert gate.held == 0


def test_a_release_between_arrival_and_hold_is_not_missed() -> None:
    """The call took the era when it came in."""
    gate = Gate()
    era = gate.era
    gate.release()
    before = time.monotonic()
    gate.hold(era, _nothing)
    assert time.monotonic() - before < PATIENCE


def test_a_later_call_is_held_again(
    start: Callable[[Callable[[], None]], Future[None]],
) -> None:
    """A release is for those who came before it."""
    gate = Gate()
    gate.release()
    call = start(lambda: gate.hold(gate.era, _nothing))
    assert gate.wait_held(1, PATIENCE)
    gate.release()
    call.result(PATIENCE)


def test_a_hold_is_bounded() -> None:
    """Nobody has to release a call that a test forgot."""
    gate = Gate(longest=0.01)
    before = time.monotonic()
    gate.hold(gate.era, _nothing)
    assert 0.01 <= time.monotonic() - before < PATIENCE


def test_a_pause_takes_its_time() -> None:
    """And a release does not shorten it."""
    gate = Gate()
    before = time.monotonic()
    released: list[int] = []
    gate.pause(0.03, lambda: released.append(gate.release()))
    assert 0.03 <= time.monotonic() - before < PATIENCE
    assert released


def test_a_closed_gate_holds_and_pauses_nobody(
    start: Callable[[Callable[[], None]], Future[None]],
) -> None:
    """Neither those who wait, nor those who come later."""
    gate = Gate()
    waiting = start(lambda: gate.hold(gate.era, _nothing))
    assert gate.wait_held(1, PATIENCE)
    gate.close()
    waiting.result(PATIENCE)
    before = time.monotonic()
    gate.hold(gate.era, _nothing)
    gate.pause(60, _nothing)
    assert time.monotonic() - before < PATIENCE


def test_those_who_wait_look_around(
    start: Callable[[Callable[[], None]], Future[None]],
) -> None:
    """So that a caller that hangs up is noticed while its call is held."""
    gate, looked = Gate(), threading.Event()
    call = start(lambda: gate.hold(gate.era, looked.set))
    assert looked.wait(PATIENCE)
    gate.release()
    call.result(PATIENCE)


def test_waiting_for_held_calls_is_bounded() -> None:
    """It tells when they did not come."""
    assert not Gate().wait_held(1, 0.01)
