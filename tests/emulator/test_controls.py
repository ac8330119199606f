"""What can be turned, and what a reset puts back."""

import pytest

from broker.emulator.controls import Controls
from broker.emulator.faults import NO_FAULT
from broker.emulator.knobs import KnobError
from broker.emulator.stats import Kind
from tests.emulator.support import ACME, make_canvas


def test_a_standing_knob_changes_the_canvas() -> None:
    """The others stay where they stood."""
    canvas = make_canvas(grace=3)
    Controls(canvas).turn({"access_lifetime_authenticate": 50})
    assert canvas.behaviour.access_lifetime_authenticate == 50
    assert canvas.behaviour.grace == 3


def test_a_fault_waits_for_its_call() -> None:
    """It is queued and shown until it has happened."""
    controls = Controls(make_canvas())
    controls.turn({"status": 502, "calls": "refresh"})
    assert controls.shown()["faults"] == [{"calls": "refresh", "status": 502, "times": 1}]
    assert controls.faults.take(Kind.REFRESH, "acme").status == 502


def test_a_fault_for_a_stranger_is_refused() -> None:
    """The sentence names the organizations there are, and nothing is turned."""
    canvas = make_canvas()
    controls = Controls(canvas)
    with pytest.raises(KnobError, match="organization must be one of acme, globex"):
        controls.turn({"status": 500, "organization": "initech", "grace": 9})
    assert canvas.behaviour.grace == 0
    assert controls.shown()["faults"] == []


def test_a_release_holds_no_further_calls() -> None:
    """Faults that would hold are taken out; others stay."""
    controls = Controls(make_canvas())
    controls.turn({"hold": "before", "times": None})
    controls.turn({"status": 500})
    assert controls.release() == 0
    assert [fault.get("hold") for fault in controls.faults.shown()] == [None]


def test_a_reset_puts_all_back_but_the_tokens() -> None:
    """Knobs, faults and counters are as they were at start."""
    canvas = make_canvas(grace=3)
    controls = Controls(canvas)
    token = canvas.authenticate(*ACME).access_token
    controls.stats.begin(Kind.AUTHENTICATE, "acme").end()
    controls.turn({"grace": 7, "status": 500, "times": None})
    controls.reset()
    assert canvas.behaviour.grace == 3
    assert controls.faults.take(Kind.REFRESH, "acme") == NO_FAULT
    assert controls.report()["calls"] == {"authenticate": 0, "refresh": 0, "whoami": 0}
    assert canvas.whoami(token)


def test_what_was_turned_at_start_comes_back_with_a_reset() -> None:
    """Knobs and faults alike."""
    canvas = make_canvas()
    controls = Controls(canvas)
    controls.turn_at_start({"latency": 0.5, "times": None, "grace": 4})
    controls.turn({"grace": 0})
    controls.faults.clear()
    controls.reset()
    assert canvas.behaviour.grace == 4
    assert controls.faults.take(Kind.REFRESH, "acme").latency == 0.5
