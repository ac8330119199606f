"""Which fault happens to which call."""

import pytest

from broker.emulator.faults import NO_FAULT, Calls, Drop, Fault, Faults, Hold
from broker.emulator.stats import Kind


def test_without_faults_nothing_happens() -> None:
    """The default fault is none."""
    assert Faults().take(Kind.REFRESH, "acme") == NO_FAULT
    assert NO_FAULT.does_work


def test_a_counted_fault_hits_so_many_calls() -> None:
    """And is gone afterwards."""
    faults = Faults()
    faults.add(Fault(status=500), times=2)
    statuses = [faults.take(Kind.REFRESH, "acme").status for _ in range(3)]
    assert statuses == [500, 500, None]
    assert faults.shown() == []


def test_a_fault_without_a_count_stays() -> None:
    """Until it is cleared."""
    faults = Faults()
    faults.add(Fault(status=500), times=None)
    assert [faults.take(Kind.REFRESH, "acme").status for _ in range(3)] == [500, 500, 500]
    faults.clear()
    assert faults.take(Kind.REFRESH, "acme") == NO_FAULT


def test_a_fault_waits_for_its_kind_of_call() -> None:
    """Other calls pass by and do not use it up."""
    faults = Faults()
    faults.add(Fault(calls=Calls.REFRESH, status=500), times=1)
    assert faults.take(Kind.AUTHENTICATE, "acme") == NO_FAULT
    assert faults.take(Kind.REFRESH, "acme").status == 500


def test_a_fault_waits_for_its_organization() -> None:
    """Others notice nothing."""
    faults = Faults()
    faults.add(Fault(organization="acme", status=500), times=1)
    assert faults.take(Kind.REFRESH, "globex") == NO_FAULT
    assert faults.take(Kind.REFRESH, "acme").status == 500


def test_queued_faults_go_in_turn_before_those_that_stay() -> None:
    """Counted ones first, oldest first; of those that stay, the newest."""
    faults = Faults()
    faults.add(Fault(status=504), times=None)
    faults.add(Fault(status=500), times=1)
    faults.add(Fault(status=502), times=1)
    faults.add(Fault(status=503), times=None)
    statuses = [faults.take(Kind.REFRESH, "acme").status for _ in range(4)]
    assert statuses == [500, 502, 503, 503]


def test_holds_can_be_taken_out_alone() -> None:
    """Other faults stay."""
    faults = Faults()
    faults.add(Fault(hold=Hold.AFTER), times=None)
    faults.add(Fault(status=500), times=1)
    faults.drop_holds()
    assert faults.shown() == [{"calls": "both", "status": 500, "times": 1}]


@pytest.mark.parametrize(
    ("fault", "works"),
    [
        (Fault(drop=Drop.REQUEST), False),
        (Fault(drop=Drop.ANSWER), True),
        (Fault(status=500), False),
        (Fault(status=500, work=True), True),
        (Fault(work=False), False),
        (Fault(latency=1), True),
    ],
)
def test_a_fault_says_whether_the_work_is_done(fault: Fault, works: bool) -> None:
    """An error status means no, unless it is told otherwise."""
    assert fault.does_work is works


@pytest.mark.parametrize(
    ("fault", "definite"),
    [
        (Fault(status=429), True),
        (Fault(status=503, retry_after=0), True),
        (Fault(status=503), False),
        (Fault(status=500, retry_after=5), False),
        (Fault(drop=Drop.REQUEST), False),
        (NO_FAULT, False),
    ],
)
def test_only_throttling_is_definite(fault: Fault, definite: bool) -> None:
    """A 503 counts only with ``Retry-After``, as in the refresh protocol."""
    assert fault.definite is definite
