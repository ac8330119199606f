"""What workers say of themselves is seen by all, and forgotten with them."""

import os

import pytest

from broker.pod.state import PodState, Told

BOTH = Told.WRITTEN | Told.SERVING


class Pod:
    """A state, and workers that speak by slots of it, in one process."""

    def __init__(self, workers: int) -> None:
        self.state = PodState(workers)
        self.slots: list[int] = []

    def start(self) -> int:
        """Give a new worker a slot."""
        self.slots.append(self.state.reserve(self.slots))
        return self.slots[-1]

    def end(self, slot: int) -> None:
        """Let a worker end."""
        self.slots.remove(slot)
        self.state.empty(slot)

    def tell(self, slot: int, told: Told) -> None:
        """Let a worker say this."""
        self.state.take(slot)
        self.state.tell(told)


@pytest.fixture
def pod() -> Pod:
    """Make one of two workers."""
    return Pod(2)


def test_a_pod_has_been_ready_once_every_worker_has_written(pod: Pod) -> None:
    """One alone is not enough, however often it says so."""
    one, two = pod.start(), pod.start()
    for _ in range(3):
        pod.tell(one, BOTH)
    assert not pod.state.has_been_ready
    pod.tell(two, Told(0))
    assert not pod.state.has_been_ready
    pod.tell(two, Told.WRITTEN)
    assert pod.state.has_been_ready


def test_what_has_been_stays(pod: Pod) -> None:
    """Workers come and go."""
    for slot in (pod.start(), pod.start()):
        pod.tell(slot, BOTH)
        pod.end(slot)
    assert not pod.state.has_been_ready  # never both at one time
    slots = pod.start(), pod.start()
    for slot in slots:
        pod.tell(slot, BOTH)
    for slot in slots:
        pod.end(slot)
    assert pod.state.has_been_ready


def test_what_a_dead_worker_said_does_not_count(pod: Pod) -> None:
    """Neither for having written nor for serving."""
    pod.tell(dead := pod.start(), BOTH)
    assert pod.state.serves()
    pod.end(dead)
    assert not pod.state.serves()
    pod.tell(pod.start(), BOTH)
    assert not pod.state.has_been_ready


def test_a_slot_that_was_not_emptied_is_empty_for_the_next(pod: Pod) -> None:
    """A worker may end unseen."""
    pod.tell(pod.start(), BOTH)
    pod.slots.clear()
    pod.start()
    assert not pod.state.serves()


def test_workers_that_live_at_one_time_have_slots_of_their_own(pod: Pod) -> None:
    """Also while old ones end and new ones start."""
    slots = [pod.start() for _ in range(100)]
    assert len(set(slots)) == 100
    pod.end(slots[40])
    assert pod.start() == slots[40]


def test_one_that_serves_is_enough(pod: Pod) -> None:
    """The others may have nothing to give."""
    one, two = pod.start(), pod.start()
    pod.tell(one, Told.WRITTEN)
    assert not pod.state.serves()
    pod.tell(two, Told.SERVING)
    assert pod.state.serves()
    pod.tell(two, Told.WRITTEN)
    assert not pod.state.serves()


def test_that_a_worker_has_booted_is_told_apart(pod: Pod) -> None:
    """It is said before anything of Redis is known."""
    assert not pod.state.booted
    pod.state.note_boot()
    assert (pod.state.booted, pod.state.has_been_ready, pod.state.serves()) == (True, False, False)


def test_a_forked_process_is_heard(pod: Pod) -> None:
    """The memory is one."""
    slot = pod.start()
    child = os.fork()
    if not child:
        pod.tell(slot, BOTH)
        os._exit(0)
    os.waitpid(child, 0)
    assert pod.state.serves()
