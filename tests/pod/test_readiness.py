"""The state machine of readiness, rule by rule, as docs/operations.md has it."""

import pytest

from broker.pod.readiness import Readiness
from broker.pod.state import PodState
from broker.policy.ability import Ability

NEW, ABLE, UNABLE, HOLDS = (
    Ability(written=False, serving=False),
    Ability(written=True, serving=True),
    Ability(written=True, serving=False),
    Ability(written=False, serving=True),
)


class Worker:
    """A worker of a pod, which does as well as the test says."""

    def __init__(self, state: PodState, slot: int) -> None:
        self.ability = NEW
        self.slot = slot
        self._state = state
        self._readiness = Readiness(state, lambda: self.ability)

    def does(self, ability: Ability) -> None:
        """Let it do so well, and say so."""
        self.ability = ability
        self._as_itself().tell()

    def is_ready(self) -> bool:
        """Answer a probe."""
        return self._as_itself().is_ready()

    def may_accept(self) -> bool:
        """Tell whether it takes callers."""
        return self._as_itself().may_accept()

    def _as_itself(self) -> Readiness:
        self._state.take(self.slot)
        return self._readiness


class Pod:
    """Two workers, and those that take their place."""

    def __init__(self) -> None:
        self.state = PodState(2)
        self.workers: list[Worker] = []
        self.start()
        self.start()

    def start(self) -> Worker:
        """Start a worker."""
        slot = self.state.reserve([one.slot for one in self.workers])
        self.workers.append(Worker(self.state, slot))
        return self.workers[-1]

    def kill(self) -> None:
        """Kill the first worker."""
        self.state.empty(self.workers.pop(0).slot)

    def do(self, *abilities: Ability) -> None:
        """Let the workers do so well."""
        for worker, ability in zip(self.workers, abilities, strict=True):
            worker.does(ability)

    def is_ready(self) -> bool:
        """Probe the pod; whichever worker is asked says the same."""
        (answer,) = {worker.is_ready() for worker in self.workers}
        return answer


@pytest.fixture
def pod() -> Pod:
    """Start one."""
    return Pod()


@pytest.fixture
def ready(pod: Pod) -> Pod:
    """Start one that has been ready."""
    pod.do(ABLE, ABLE)
    assert pod.is_ready()
    return pod


class TestStarting:
    def test_it_is_not_ready(self, pod: Pod) -> None:
        """Redis has not answered: nothing hinders, as far as is known, but nothing is known."""
        assert not pod.is_ready()

    @pytest.mark.parametrize("first", [NEW, HOLDS])
    def test_until_every_worker_has_written(self, pod: Pod, first: Ability) -> None:
        """A token that was read is not enough: who may only read cannot refresh it."""
        pod.do(first, ABLE)
        assert not pod.is_ready()
        pod.do(ABLE, ABLE)
        assert pod.is_ready()

    def test_one_that_could_serve_nobody_is_not(self, pod: Pod) -> None:
        """Redis is there, and Canvas refuses the keys, say."""
        pod.do(UNABLE, UNABLE)
        assert not pod.is_ready()
        pod.do(UNABLE, ABLE)
        assert pod.is_ready()

    def test_what_a_killed_worker_did_does_not_count(self, pod: Pod) -> None:
        """Its successor must do it, too."""
        pod.do(ABLE, NEW)
        pod.kill()
        pod.start()
        pod.do(ABLE, NEW)
        assert not pod.is_ready()

    def test_its_workers_take_connections(self, pod: Pod) -> None:
        """Probes want to be answered."""
        assert all(worker.may_accept() for worker in pod.workers)


class TestReady:
    def test_while_one_has_a_valid_token(self, ready: Pod) -> None:
        """An outage of Redis or Canvas takes it out only when the last token is over."""
        ready.do(UNABLE, ABLE)
        assert ready.is_ready()
        ready.do(UNABLE, UNABLE)
        assert not ready.is_ready()
        ready.do(UNABLE, ABLE)
        assert ready.is_ready()

    def test_a_worker_that_is_started_anew_takes_it_not_out(self, ready: Pod) -> None:
        """Whatever it knows of Redis yet."""
        ready.kill()
        assert ready.is_ready()
        ready.start()
        assert ready.is_ready()
        ready.do(UNABLE, NEW)
        assert not ready.is_ready()

    def test_once_all_are_started_anew_one_must_reach_redis(self, ready: Pod) -> None:
        """All that was held is gone. One is enough: it has callers to itself."""
        ready.kill()
        ready.kill()
        ready.start()
        ready.start()
        assert not ready.is_ready()
        ready.do(NEW, ABLE)
        assert ready.is_ready()


class TestConnections:
    def test_a_new_worker_leaves_them_to_one_that_can_serve(self, ready: Pod) -> None:
        """While Redis is away it could give nothing but errors."""
        ready.kill()
        new = ready.start()
        assert not new.may_accept()
        new.does(ABLE)
        assert new.may_accept()

    def test_it_takes_them_when_nobody_can(self, ready: Pod) -> None:
        """The others' tokens are over, or they are dead: probes want to be answered."""
        ready.kill()
        new = ready.start()
        ready.workers[0].does(UNABLE)
        assert new.may_accept()

    def test_who_takes_them_does_so_for_good(self, ready: Pod) -> None:
        """Nobody is sent back and forth."""
        one, other = ready.workers
        assert one.may_accept()
        one.does(UNABLE)
        other.does(ABLE)
        assert one.may_accept()
