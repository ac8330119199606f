"""How old a copy gets where nobody tells of changes (invariant 5)."""

from functools import partial

import pytest

from broker.policy.organization import Organization
from broker.policy.server_clock import RoundTrip
from broker.policy.values import Binding
from broker.ports import Answer, Question, Snapshot
from tests.simulation.feed import Weather
from tests.simulation.redis import SimStores
from tests.simulation.world import LIMITS, Worker, World

SWEEP_S = 0.06
"""Seconds that a look at as many as go together takes, on a core that is busy."""
ORGANIZATIONS = 300


def keep_all_in_use(worker: Worker) -> None:
    """Ask for each organization, again and again."""
    while True:
        for name in worker.world.organizations:
            worker.world.scheduler.sleep(5.0 / ORGANIZATIONS)
            worker.ask(name)


def test_what_changed_is_known_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """From one look's question to the next one's answer, with ten sweeps to each round."""
    names = tuple(f"o{number:03}" for number in range(ORGANIZATIONS))
    world = World(
        1, workers=1, organizations=names, callers=0, skew=0.0, weather=Weather(allowed=False)
    )
    world.watch.troubled.update(names)
    oldest: dict[str, float] = {}
    looks = 0
    adopt, read_each = Organization.adopt, SimStores.read_each

    def timed(one: Organization, binding: Binding, snapshot: Snapshot, trip: RoundTrip) -> None:
        nonlocal looks
        looks += 1
        oldest[one.name] = max(oldest.get(one.name, 0.0), trip.answered - one.looked)
        adopt(one, binding, snapshot, trip)

    def slow(stores: SimStores, asked: list[Question]) -> list[Answer]:
        world.scheduler.sleep(SWEEP_S * len(asked) / stores.together)
        return read_each(stores, asked)

    world.start()
    (worker,) = world.fleet
    world.scheduler.spawn(worker.process, "caller", partial(keep_all_in_use, worker))
    world.run(20.0)
    monkeypatch.setattr(SimStores, "read_each", slow)
    world.run(5.0)
    monkeypatch.setattr(Organization, "adopt", timed)
    world.run(10.0)
    world.scheduler.close()
    assert not world.watch.violations, world.describe()
    assert len(oldest) == ORGANIZATIONS
    assert max(oldest.values()) < LIMITS.revalidate
    assert looks <= 10.0 / 0.8 * ORGANIZATIONS
