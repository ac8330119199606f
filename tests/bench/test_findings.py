"""What the parts make of their figures."""

import pytest

from bench.commands import Counted
from bench.commands import finding as commands_finding
from bench.crowd import Crowd
from bench.crowd import targets as crowd_targets
from bench.engine import Samples
from bench.load import Outcome, outcome
from bench.memory import differences
from bench.memory import finding as memory_finding
from bench.overload import Timing, back_after, latencies
from bench.probes import Probes
from bench.processes import Memory
from bench.report import WrongAnswer
from bench.slow import targets as slow_targets
from bench.speed import RIVALS, ROWS, name_of, targets

IDLE = Counted(at=2.0, scripts=2, commands=14, calls=0)


class TestSpeed:
    def test_each_row_is_judged_against_its_own_target(self) -> None:
        """Of the processor time of the other build, and a GET of that of two rivals."""
        cpus = {name_of("old", row): [100.0, 50.0] for row in ROWS}
        cpus |= {name_of("new", row): [100 * row.most, 50 * row.most] for row in ROWS}
        cpus |= {name_of("new", ROWS[1]): [13.0, 6.5]}
        cpus |= {name: [151.0, 75.5] for name in RIVALS.values()}
        found = [(one.measured.split()[0], one.reached) for one in targets(cpus, "new", "old")]
        right = [(f"{row.most:.2f}", True) for row in ROWS]
        right[1] = ("0.13", False)
        assert found == [*right, ("0.20", True), ("0.20", True)]


class TestCrowd:
    def test_slowest_are_compared_round_by_round(self) -> None:
        """Answers and probes each for themselves."""
        ours, theirs = (
            [Crowd(Outcome(1.0, 0.0, 0.0, slowest, 1), probe)] * 2
            for slowest, probe in ((0.5, 0.06), (1.0, 0.1))
        )
        found = [(one.measured, one.reached) for one in crowd_targets(512, ours, theirs, "old")]
        assert found == [("0.50", True), ("0.60", False)]


class TestSlow:
    @pytest.mark.parametrize(
        ("seconds", "failures", "reached"),
        [(0.25, [], True), (0.26, [], False), (0.1, ["/health/live 503"], False)],
    )
    def test_nobody_waits_and_nobody_fails(
        self, seconds: float, failures: list[str], reached: bool
    ) -> None:
        """The slowest of all paths counts."""
        probes = Probes.__new__(Probes)
        probes.seconds, probes.failures = {"/token": [0.1, seconds], "/x": [0.1]}, failures
        assert [one.reached for one in slow_targets(probes, "with TLS")] == [reached]


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
        found = memory_finding(one, [many] * 3, {"old": [one, many, many]}, 1000, {"flask": 12_288})
        assert [target.measured for target in found.targets] == ["10.0 KB", "1.00 (1.00-1.17)"]
        assert all(target.reached for target in found.targets)
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
