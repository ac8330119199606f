"""Workers in real processes that know of each other, while they hang, die and talk nonsense."""

import os
import signal
import subprocess
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from broker.pod import asking
from broker.pod.answering import Listener
from broker.pod.siblings import PATIENCE, Siblings
from broker.pod.snapshot import Pod, WorkerHistories, WorkerSnapshot
from broker.pod.wire import to_bytes
from tests.fakes import FakeClock
from tests.pod.samples import GOOD, history_of, worker
from tests.pod.sibling import sibling
from tests.servers import SLACK, suspend

pytestmark = pytest.mark.sockets
OTHER = 99_999_999
"""A number that no process has."""


class Rig:
    """This process as one of three workers; its clock is the test's."""

    def __init__(self, directory: Path | None) -> None:
        self.clock = FakeClock()
        self.made = 0
        self.organizations = 1
        self.siblings = Siblings(directory, 3, self._snapshot, self._histories, self.clock)

    def gather(self) -> Pod:
        """Gather anew, and hold it to its limit."""
        self.clock.sleep(1)
        began = time.monotonic()
        pod = self.siblings.gather()
        assert time.monotonic() - began < PATIENCE + SLACK
        return pod

    def _snapshot(self) -> WorkerSnapshot:
        self.made += 1
        known = GOOD._replace(generation=1)
        more = [known._replace(organization=f"org-{n}") for n in range(1, self.organizations)]
        return worker(os.getpid(), known, *more)

    def _histories(self, names: Sequence[str]) -> WorkerHistories:
        return history_of(os.getpid(), names, 1.0)


@pytest.fixture
def rig(directory: Path) -> Iterator[Rig]:
    """Start this worker, with none beside it."""
    one = Rig(directory)
    one.siblings.start()
    yield one
    one.siblings.stop()
    assert list(directory.glob(f"{os.getpid()}.*")) == []


Start = Callable[[int], subprocess.Popen[bytes]]


@pytest.fixture
def start(directory: Path) -> Iterator[Start]:
    """Start a sibling whose token has this generation."""
    with ExitStack() as stack:
        yield lambda generation: stack.enter_context(sibling(directory, generation))


def generation(pod: Pod) -> int | None:
    """Return that of the one organization."""
    (health,) = pod.organizations
    return health.generation


def pids(pod: Pod) -> set[int]:
    """Return those of the workers that answered."""
    return {one.pid for one in pod.workers}


class TestAlone:
    @pytest.mark.parametrize("place", [None, "nowhere", "x" * 200])
    def test_without_a_directory_it_knows_itself(self, place: str | None, directory: Path) -> None:
        """It serves all the same, and tells how many there should be."""
        rig = Rig(directory / place if place else None)
        rig.siblings.start()
        pod = rig.gather()
        rig.siblings.stop()
        assert (pids(pod), pod.silent, pod.expected) == ({os.getpid()}, (), 3)

    def test_other_files_in_the_directory_are_left_alone(self, rig: Rig, directory: Path) -> None:
        """Only sockets of workers are asked, or removed."""
        names = {"0.sock", "07.sock", "x.sock", "99999999999.sock", f"{OTHER}.new", "gauge.db"}
        for name in names:
            (directory / name).touch()
        assert rig.gather().silent == ()
        assert names <= {path.name for path in directory.iterdir()}

    def test_a_directory_that_vanishes_is_survived(self, rig: Rig, directory: Path) -> None:
        """It answers for itself."""
        moved = directory.rename(directory.with_suffix(".moved"))
        assert pids(rig.gather()) == {os.getpid()}
        moved.rename(directory)


class TestProcesses:
    def test_three_workers_are_seen_as_one(self, rig: Rig, start: Start) -> None:
        """Each with its own knowledge, as it is at this moment."""
        others = {start(3).pid, start(2).pid}
        pod = rig.gather()
        assert pids(pod) == {os.getpid(), *others}
        assert (generation(pod), pod.silent, pod.expected) == (3, (), 3)
        known = {one.organizations[0].generation for one in pod.workers}
        assert known == {1, 2, 3}

    def test_a_stopped_one_is_named_and_comes_back(self, rig: Rig, start: Start) -> None:
        """The others are told in time; many questions meanwhile do it no harm."""
        stopped, other = start(3), start(2)
        suspend(stopped.pid)
        for _ in range(3):
            pod = rig.gather()
            assert pod.silent == (stopped.pid,)
            assert (pids(pod), generation(pod)) == ({os.getpid(), other.pid}, 2)
        os.kill(stopped.pid, signal.SIGCONT)
        until = time.monotonic() + 10
        while (pod := rig.gather()).silent:
            assert time.monotonic() < until
        assert generation(pod) == 3

    def test_a_killed_one_disappears_with_its_socket(
        self, rig: Rig, start: Start, directory: Path
    ) -> None:
        """A restarted one has another number, and is there at once."""
        killed = start(3)
        assert generation(rig.gather()) == 3
        killed.kill()
        killed.wait()
        assert (directory / f"{killed.pid}.sock").exists()
        pod = rig.gather()
        assert (pids(pod), pod.silent) == ({os.getpid()}, ())
        assert not (directory / f"{killed.pid}.sock").exists()
        assert pids(rig.gather()) == {os.getpid()}
        assert start(4).pid in pids(rig.gather())

    def test_one_that_stops_leaves_no_trace(self, rig: Rig, start: Start, directory: Path) -> None:
        """Its input ends, and it removes its socket itself."""
        leaving = start(3)
        leaving.communicate(timeout=10)
        assert leaving.returncode == 0
        assert [path.name for path in directory.iterdir()] == [f"{os.getpid()}.sock"]
        assert rig.gather().silent == ()


class TestHistories:
    def test_those_of_all_workers_are_joined(self, rig: Rig, start: Start) -> None:
        """Newest first, of the organizations that are asked for."""
        start(3)
        told = rig.siblings.histories(["acme", "globex"])
        assert {name: [one.at for one in recent] for name, recent in told.items()} == {
            "acme": [1.0, 3.0],
            "globex": [1.0, 3.0],
        }

    def test_one_that_does_not_answer_is_left_out(self, rig: Rig, start: Start) -> None:
        """In time; what the others know is told."""
        suspend(start(3).pid)
        began = time.monotonic()
        assert [one.at for one in rig.siblings.histories(["acme"])["acme"]] == [1.0]
        assert time.monotonic() - began < PATIENCE + SLACK

    def test_nobody_is_asked_for_none(self, rig: Rig, start: Start) -> None:
        """Not even one that hangs."""
        suspend(start(3).pid)
        assert rig.siblings.histories([]) == {}


class TestPatience:
    @pytest.mark.parametrize(("organizations", "silent"), [(1, True), (20_000, False)])
    def test_a_busy_one_has_longer_the_more_organizations_there_are(
        self, directory: Path, organizations: int, *, silent: bool
    ) -> None:
        """It takes half a second here, and is not told to hang because of it."""

        def answer(question: bytes) -> bytes:
            del question
            time.sleep(PATIENCE + 0.2)
            return to_bytes(worker(OTHER))

        rig = Rig(directory)
        rig.organizations = organizations
        rig.siblings.start()
        listener = Listener(directory / f"{OTHER}.sock", answer)
        listener.start()
        pod = rig.siblings.gather()
        listener.stop()
        rig.siblings.stop()
        assert pod.silent == ((OTHER,) if silent else ())


class TestMemory:
    def test_what_was_gathered_is_forgotten(self, rig: Rig) -> None:
        """Once it is not given again: it is large."""
        gathered = weakref.ref(rig.siblings.gather())
        rig.siblings.forget()
        assert gathered() is not None
        rig.clock.sleep(1)
        rig.siblings.forget()
        assert gathered() is None


class TestNonsense:
    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"garbage",
            to_bytes(worker(OTHER))[:-1],
            to_bytes(worker(OTHER)).replace(b'"uptime"', b'"up"'),
            to_bytes(worker(OTHER + 1)),
            b"x" * 1_000_001,
        ],
        ids=["nothing", "garbage", "half", "other version", "other worker", "huge"],
    )
    def test_one_that_makes_no_sense_counts_as_silent(
        self, rig: Rig, directory: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
    ) -> None:
        """It is named, and the rest is told."""
        monkeypatch.setattr(asking, "LARGEST", 1_000_000)
        listener = Listener(directory / f"{OTHER}.sock", lambda _: answer)
        listener.start()
        pod = rig.gather()
        listener.stop()
        assert (pids(pod), pod.silent) == ({os.getpid()}, (OTHER,))

    def test_sense_is_taken(self, rig: Rig, directory: Path) -> None:
        """The same way in, with an answer as it should be."""
        listener = Listener(directory / f"{OTHER}.sock", lambda _: to_bytes(worker(OTHER)))
        listener.start()
        pod = rig.gather()
        listener.stop()
        assert (pids(pod), pod.silent) == ({os.getpid(), OTHER}, ())

    def test_a_process_that_lives_and_does_not_listen_is_named(
        self, rig: Rig, start: Start, directory: Path
    ) -> None:
        """Only what the dead have left is removed."""
        deaf = start(3)
        left = directory / f"{deaf.pid}.sock"
        left.unlink()
        left.touch()
        assert rig.gather().silent == (deaf.pid,)
        assert left.exists()

    def test_a_number_that_is_another_users_now_was_a_dead_workers(
        self, rig: Rig, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All workers run as one user."""

        def refuse(pid: int, number: int) -> None:
            raise PermissionError

        left = directory / f"{OTHER}.sock"
        left.touch()
        monkeypatch.setattr("broker.pod.siblings.os.kill", refuse)
        assert rig.gather().silent == ()
        assert not left.exists()


class TestFlood:
    def test_many_who_ask_at_once_cost_one_answer(self, rig: Rig, start: Start) -> None:
        """While a sibling hangs, too: nobody waits for more than one patience."""
        stopped = start(3)
        suspend(stopped.pid)
        began = time.monotonic()
        with ThreadPoolExecutor(50) as pool:
            pods = list(pool.map(lambda _: rig.siblings.gather(), range(50)))
        assert time.monotonic() - began < PATIENCE + SLACK
        assert rig.made == 1
        assert all(pod is pods[0] for pod in pods)
        assert pods[0].silent == (stopped.pid,)
