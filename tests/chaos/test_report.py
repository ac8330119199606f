"""What a run prints."""

from broker.emulator.faults import Absence, Body, Drop, Expiry, Hold, RetryAfter
from broker.emulator.knobs import STATUSES, read_knobs
from tests.chaos.judge import Row
from tests.chaos.rounds import FAULTS
from tests.chaos.simulation import run_seeds, summary
from tests.chaos.table import HEADINGS, markdown
from tests.chaos.upstream import ANSWERS


def test_table_has_a_line_for_each_fault_and_one_for_all() -> None:
    """Two rounds of one fault are one line."""
    rows = [Row("b", requests=1, ok=1), Row("a", requests=2, ok=2), Row("b", requests=3, ok=3)]
    lines = [line.strip("| ").split(" | ") for line in markdown(rows)]
    assert [(line[0], line[1]) for line in lines[2:]] == [("a", "2"), ("b", "4"), ("all", "6")]
    assert {len(line) for line in lines} == {len(HEADINGS)}


def test_one_that_never_recovered_says_so() -> None:
    """Not a number that looks like a good one."""
    assert "never" in list(markdown([Row("a", recovery=None)]))[2]


def test_simulation_runs_seeds_and_reports_its_sums() -> None:
    """At least one seed, however short the time."""
    tally, stories = run_seeds(4, 0.0)
    assert (tally.seeds, tally.failed, stories) == (1, {}, [])
    lines = dict(line.split(": ") for line in summary(tally))
    assert lines["seeds run"] == "1"
    assert lines["violations"] == "0"
    assert float(lines["upstream calls per token lifetime"]) > 0
    assert int(lines["faults injected"]) > 0


def test_every_fault_has_a_name_of_its_own() -> None:
    """Otherwise the table would add up what does not belong together."""
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_every_fault_of_the_emulator_is_played() -> None:
    """Every status, body, loss, expiry, hold and form of ``Retry-After`` is in some round.

    401 has a fault of its own, for it is lifted by other keys.
    """
    played = [read_knobs(knobs).fault for knobs in ANSWERS.values()]
    faults = [one for one in played if one is not None]
    assert {one.status for one in faults} - {None} == set(STATUSES) - {401}
    assert {one.body for one in faults} - {None} == set(Body)
    assert {one.drop for one in faults} - {None} == set(Drop)
    assert {one.expiry for one in faults} - {None} == set(Expiry)
    assert {one.refresh_token for one in faults} - {None} == set(Absence)
    assert {one.retry_after_as for one in faults if one.retry_after} == set(RetryAfter)
    assert Hold.BEFORE in {one.hold for one in faults}
    assert any(one.latency for one in faults)
    assert any(one.drip for one in faults)
