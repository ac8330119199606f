"""Every invariant at every step of many runs; the seed of a run that breaks one is printed."""

import pytest

from tests.simulation.mutations import HOSTILE_MUTATIONS, MUTATIONS, Patch
from tests.simulation.runs import Tally, run_seed

pytestmark = pytest.mark.timeout(900)  # some 10 s of processor time, on a busy machine much longer

SEEDS = 50
BATCHES = 10
MOST_SEEDS = 60
"""Within so many seeds each mutation must be found."""
LEAST_FAULTS = 15
REFUSING_SEEDS = 5
HOSTILE_SEEDS = 8
MOST_HOSTILE_SEEDS = 10


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_invariant_is_broken(batch: int) -> None:
    """Whatever the seed injects, all invariants hold."""
    tally = Tally()
    for seed in range(batch * SEEDS // BATCHES, (batch + 1) * SEEDS // BATCHES):
        world = run_seed(seed)
        assert not world.watch.violations, world.describe()
        tally.add(world)
    assert tally.faults.total() >= LEAST_FAULTS
    assert tally.answers["200"] > 1000


def test_a_seed_is_a_run() -> None:
    """The same seed gives the same run, to the last line."""
    first, again = run_seed(4), run_seed(4)
    assert first.watch.timeline == again.watch.timeline
    assert len(first.watch.timeline) > 20
    assert run_seed(5).watch.timeline != first.watch.timeline


@pytest.mark.parametrize("seed", range(0, 20, 2))
def test_no_invariant_is_broken_by_a_paused_holder(seed: int) -> None:
    """What the runs with a mutation begin with breaks nothing without one."""
    world = run_seed(seed, pause_holder=True)
    assert not world.watch.violations, world.describe()
    assert world.watch.faults["paused"]


@pytest.mark.parametrize("seed", range(REFUSING_SEEDS))
def test_no_invariant_is_broken_by_refused_keys(seed: int) -> None:
    """Once Canvas takes the keys again and they are written anew, all is well in time."""
    world = run_seed(seed, refuse_keys=True)
    assert not world.watch.violations, world.describe()
    assert world.watch.faults["keys_refused"]


@pytest.mark.parametrize("seed", range(1, 20, 4))
def test_no_invariant_is_broken_by_a_clock_set_during_a_call(seed: int) -> None:
    """The other half of those runs breaks nothing, either."""
    world = run_seed(seed, step_clock=True)
    assert not world.watch.violations, world.describe()
    assert world.watch.faults["redis-clock"]


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_mutation_is_found(mutation: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way to break the protocol turns the invariant red that it breaks."""
    mutation(monkeypatch)
    invariant, first = MUTATIONS[mutation]
    for seed in range(first, first + MOST_SEEDS):
        watch = run_seed(seed, pause_holder=seed % 2 == 0, step_clock=seed % 2 == 1).watch
        found = {violation.invariant for violation in watch.violations}
        if invariant in found:
            return
    pytest.fail(f"{MOST_SEEDS} seeds did not show that invariant {invariant} is broken")


@pytest.mark.parametrize("seed", range(HOSTILE_SEEDS))
def test_no_invariant_is_broken_by_a_writer_of_redis(seed: int) -> None:
    """Of those that no writer can break by nature; once he is gone, all is well again in time."""
    world = run_seed(seed, writer="anything")
    assert not world.watch.violations, world.describe()
    assert any(fault.startswith("writer") for fault in world.watch.faults)


@pytest.mark.parametrize("seed", range(2))
def test_refused_keys_and_a_writer_of_redis(seed: int) -> None:
    """Both at once; once Canvas takes the keys again, they are written anew."""
    world = run_seed(seed, writer="anything", refuse_keys=True)
    assert not world.watch.violations, world.describe()
    assert world.watch.faults["keys_refused"]


@pytest.mark.parametrize("mutation", HOSTILE_MUTATIONS)
def test_mutation_is_found_by_a_writer(mutation: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands between a writer of Redis and Canvas, or the service, is taken out."""
    mutation(monkeypatch)
    invariant, first, writer, refused = HOSTILE_MUTATIONS[mutation]
    for seed in range(first, first + MOST_HOSTILE_SEEDS):
        watch = run_seed(seed, writer=writer, refuse_keys=refused).watch
        if invariant in {violation.invariant for violation in watch.violations}:
            return
    pytest.fail(f"{MOST_HOSTILE_SEEDS} seeds did not show that invariant {invariant} is broken")
