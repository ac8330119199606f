"""Whole runs by seed, and what came of them."""

from collections import Counter
from dataclasses import dataclass, field

from tests.simulation.director import LARGEST_STEP, Director, behaviour_of
from tests.simulation.feed import Weather
from tests.simulation.world import World

EPISODES = 6
DAY = 86400.0
WEATHERS = (
    Weather(),
    Weather(allowed=False),
    Weather(lost=0.3, doubled=0.3, late=0.3),
    Weather(lost=1.0),
    Weather(late=1.0, doubled=1.0),
)
"""How the feed of changes is; five seeds have the same, for lives differ from seed to seed."""


def run_seed(
    seed: int,
    *,
    pause_holder: bool = False,
    refuse_keys: bool = False,
    step_clock: bool = False,
    writer: str = "",
) -> World:
    """Play the run that belongs to ``seed``: its Canvas, its fleet, its faults.

    ``pause_holder`` lets it begin with a process that is stopped while it talks to Canvas,
    ``step_clock`` with Redis's clock set forward during a slow call, ``refuse_keys`` adds a Canvas
    that refuses right keys for a while, ``writer`` somebody who writes to Redis: ``anything``, or
    again and again what the method of that name in :class:`tests.simulation.hostile.Writer` does.
    """
    workers = 2 + seed % 4
    weather = WEATHERS[seed // 5 % len(WEATHERS)]
    world = World(seed, workers, behaviour=behaviour_of(seed), pause=2.0, weather=weather)
    director = Director(world)
    if pause_holder:
        director.pause_next_holder()
    if refuse_keys:
        director.refuse_keys()
    if writer:
        director.admit_writer(writer)
    if step_clock:
        director.step_clock_in_a_slow_call(LARGEST_STEP)
    director.play(EPISODES)
    return world


@dataclass
class Tally:
    """Sums over many runs."""

    seeds: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    lifetimes: float = 0.0
    failed: dict[int, set[int]] = field(default_factory=dict)

    def add(self, world: World) -> None:
        """Count one run."""
        watch = world.watch
        self.seeds += 1
        self.seconds += world.scheduler.now
        self.faults += watch.faults
        self.answers += watch.answers
        self.calls += sum(watch.calls.values())
        behaviour = world.behaviour
        life = (behaviour.access_lifetime_authenticate + behaviour.access_lifetime_refresh) / 2
        self.lifetimes += len(world.organizations) * world.scheduler.now / life
        if watch.violations:
            self.failed[world.seed] = {one.invariant for one in watch.violations}

    def merge(self, other: "Tally") -> None:
        """Count what another process ran."""
        self.seeds += other.seeds
        self.seconds += other.seconds
        self.faults += other.faults
        self.answers += other.answers
        self.calls += other.calls
        self.lifetimes += other.lifetimes
        self.failed |= other.failed
