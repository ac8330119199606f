"""What the parts make of their figures."""

import pytest

from bench.commands import Counted
from bench.commands import finding as commands_finding
from bench.engine import Samples
from bench.load import outcome
from bench.memory import differences
from bench.memory import finding as memory_finding
from bench.overload import Timing, back_after, latencies
from bench.processes import Memory
from bench.report import WrongAnswer
from bench.speed import GET, NAMES, POST, targets

IDLE = Counted(at=2.0, scripts=2, commands=14, calls=0)


class TestSpeed:
    def test_each_ratio_is_judged_against_its_own_target(self) -> None:
        """The two bare ones, the one by hand, and POST against GET."""
        rates = {name: [1000.0, 500.0] for name in NAMES.values()}
        rates |= {GET: [900.0, 450.0], POST: [450.0, 225.0]}
        rates[NAMES["by-hand", "ours"]] = [310.0, 155.0]
        found = [(one.measured.split()[0], one.reached) for one in targets(rates)]
        assert found == [("0.90", True), ("0.90", True), ("2.90", False), ("0.50", True)]


class TestCommands:
    def test_what_goes_on_anyway_is_no_requests_own(self) -> None:
        """So many looks at Redis a second, with load and without."""
        found = commands_finding(IDLE, Counted(4.0, 5, 30, 0), 10_000)
        assert [one.measured for one in found.targets] == ["0.0001", "0"]
        assert [one.reached for one in found.targets] == [True, True]

    def test_round_trip_for_each_request_is_wrong(self) -> None:
        """That is no matter of speed."""
        with pytest.raises(WrongAnswer, match=r"1\.00 Redis scripts"):
            commands_finding(IDLE, Counted(4.0, 10_004, 80_000, 0), 10_000)

    def test_count_of_ours_is_taken_off(self) -> None:
        """Each count is a command."""
        later = Counted(5.0, 7, 40, 1)
        assert later.since(IDLE) == Counted(3.0, 5, 25, 1)


class TestMemory:
    def test_organization_costs_what_the_others_add(self) -> None:
        """The first one is in both."""
        one, many = Memory(60_000, 40_000, 20_000, 9), Memory(70_000, 50_000, 29_990, 9)
        found = memory_finding(one, many, 1000, {"flask": 12_288})
        assert found.targets[0].measured == "10.0 KB"
        assert found.targets[0].reached
        assert found.rows[-1][:3] == ["import of flask", "", "12.0"]

    def test_imports_are_told_by_what_each_added(self) -> None:
        """The largest first."""
        assert list(differences({"python": 6, "flask": 18, "jwt": 20}).items()) == [
            ("flask", 12),
            ("python", 6),
            ("jwt", 2),
        ]


class TestLoad:
    def test_processes_at_the_same_time_are_added_up(self) -> None:
        """Rates add up, latencies are taken together, failures keep their names."""
        one, other = Samples(counted=10, seconds=[0.1]), Samples(counted=20, seconds=[0.3])
        one.statuses.update({"200": 11})
        other.statuses.update({"200": 20, "503": 2})
        got = outcome([one, other], 2.0)
        assert (got.rate, got.p99, got.completed) == (15.0, 0.3, 33)
        assert got.failures == {"503": 2}


class TestOverload:
    TIMING = Timing(began=10.0, ended=20.0)

    def test_latencies_are_told_apart_by_when_they_ended(self) -> None:
        """Before the load, and while it lasted."""
        beside = Samples(ended=[9.0, 11.0, 21.0], seconds=[0.1, 0.2, 0.3])
        assert latencies(beside, self.TIMING) == ([0.1], [0.2])

    def test_latency_is_back_after_the_last_slow_answer(self) -> None:
        """Slow is more than twice what it was before."""
        ended, seconds = [9.0, 15.0, 20.2, 20.5, 22.0], [0.1, 2.0, 0.5, 0.3, 0.15]
        assert back_after(Samples(ended=ended, seconds=seconds), self.TIMING) == 0.5

    def test_latency_that_never_rose_is_back_at_once(self) -> None:
        """As where the load was no overload."""
        assert back_after(Samples(ended=[9.0, 21.0], seconds=[0.1, 0.1]), self.TIMING) == 0.0
