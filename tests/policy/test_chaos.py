"""Random faults, from a seed: the invariants hold whatever comes together."""

import random
from contextlib import suppress

import pytest

from broker.errors import (
    AmbiguousError,
    NotSentError,
    RefreshTokenUnknownError,
    ThrottledError,
    UnavailableError,
    UnusableTokenError,
    UpstreamError,
)
from broker.secret import Secret
from broker.tokens import RefreshToken
from tests.policy.fleet import LIMITS, Fleet, Worker

OPERATIONS = ("read", "acquire", "commit", "commit_spare", "fail", "report", "republish")


class Chaos:
    """Breaks a fleet at random and lets callers ask all the time."""

    def __init__(self, fleet: Fleet, seed: int, *, loses: bool) -> None:
        self._fleet = fleet
        self._random = random.Random(seed)
        self._loses = loses
        self._spares = 0
        fleet.canvas.before_answer = self._interleave

    def step(self) -> None:
        """Change what is broken, let a moment pass, let everybody work and ask."""
        fleet, chance = self._fleet, self._random.random
        for worker in fleet.workers:
            worker.runtime.chance = chance()
            worker.link.down = chance() < (0.9 if worker.link.down else 0.02)
            worker.link.deaf = {name for name in OPERATIONS if chance() < 0.02}
        fleet.canvas.lifetime = self._random.choice([600.0] * 8 + [899.0, 120.0, 40.0])
        fleet.canvas.errors = [self._error() if chance() < 0.4 else None for _ in range(2)]
        if self._loses and chance() < 0.01:
            fleet.flush()
        if self._loses and chance() < 0.01:
            fleet.fail_over()
        fleet.clock.sleep(self._random.choice([0.2, 0.2, 1.0, 5.0, 20.0]))
        for worker in fleet.workers:
            worker.tick()
            self.ask(worker)

    def ask(self, worker: Worker) -> None:
        """Ask; an error is allowed only while no token with more than the floor is there."""
        expires_in = worker.health().expires_in
        fleet, began = self._fleet, self._fleet.clock.monotonic()
        if expires_in is not None and expires_in > LIMITS.floor:
            served = worker.ask()
            assert fleet.clock.monotonic() == began
            if self._random.random() < 0.02:
                with suppress(UnavailableError):
                    worker.ask(rejected=served.generation)
        else:
            with suppress(UnavailableError):
                worker.ask()

    def _error(self) -> UpstreamError:
        self._spares += 1
        spare = RefreshToken(Secret(f"spare-{self._spares}"), 86400.0)
        return self._random.choice(
            [
                AmbiguousError("timeout"),
                NotSentError("connect"),
                ThrottledError("throttled", retry_after=7.0),
                RefreshTokenUnknownError("unknown_refresh_token"),
                UnusableTokenError("bad_access_token", spare),
            ]
        )

    def _interleave(self) -> None:
        """Let another worker look and ask in the middle of an upstream call."""
        if self._random.random() < 0.3 and self._fleet.in_flight == 1:
            worker = self._random.choice(self._fleet.workers)
            worker.tick()


@pytest.mark.parametrize("seed", range(20))
def test_faults(seed: int) -> None:
    """Canvas and Redis fail in every way: no refresh token twice, no call beside another."""
    fleet = Fleet(3)
    chaos = Chaos(fleet, seed, loses=False)
    for _ in range(600):
        chaos.step()
    fleet.check()
    assert fleet.most_in_flight == 1
    assert len(fleet.canvas.calls) > 20


@pytest.mark.parametrize("seed", range(20))
def test_faults_and_lost_records(seed: int) -> None:
    """Redis forgets and fails over besides: still no refresh token twice, nothing goes back."""
    fleet = Fleet(3)
    chaos = Chaos(fleet, seed, loses=True)
    for _ in range(600):
        chaos.step()
    fleet.check()
    assert len(fleet.canvas.calls) > 20
