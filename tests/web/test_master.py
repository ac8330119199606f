"""What passes does not end gunicorn's master; played without a fork."""

import errno
import logging
import os
import sys
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer

from broker.listener.link import Link, Listening
from broker.pod.state import PodState
from broker.web import master
from broker.web.master import LOG_INTERVAL, Master

DRAIN = 10.0


class Kept(Link):
    """Tells what it is asked for."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__(None, ())
        self._tell = tell

    def keep(self, sockets: Sequence[Listening]) -> None:
        """Hold these."""
        self._tell(f"held {len(sockets)}")

    def close(self) -> None:
        """Hold none."""
        self._tell("let go")


class Scene:
    """A master whose forks end as they are told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state = PodState(1)
        self.steps: list[str] = []
        self.now = 0.0
        self.slept: list[float] = []
        monkeypatch.setattr(Arbiter, "__init__", lambda *_: None)
        monkeypatch.setattr(Arbiter, "spawn_worker", lambda _: self.fork())
        monkeypatch.setattr(Arbiter, "manage_workers", lambda _: self.steps.append("manage"))
        clock = SimpleNamespace(monotonic=lambda: self.now, sleep=self.slept.append)
        monkeypatch.setattr(master, "time", clock)
        self.master = Master(None, lambda: self.steps.append("keep up"), self.state, DRAIN)
        self.master.pid = os.getpid()
        self.ending: Any = 77

    def fork(self) -> int:
        """Return a process id, or raise what was asked for."""
        if isinstance(self.ending, BaseException):
            raise self.ending
        return int(self.ending)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Play a master."""
    return Scene(monkeypatch)


def test_what_is_new_is_taken_over_before_workers_are_forked(scene: Scene) -> None:
    """They begin with it."""
    scene.master.manage_workers()
    assert scene.steps == ["keep up", "manage"]


def test_the_listening_sockets_are_held(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """From before the first worker is there until nobody is let in any more."""
    steps = scene.steps
    held = Master(None, lambda: None, scene.state, DRAIN, Kept(steps.append))
    monkeypatch.setattr(held, "LISTENERS", ["one", "two"])
    held.manage_workers()
    assert steps == ["held 2", "manage"]
    monkeypatch.setattr(Arbiter, "halt", lambda *_: steps.append("halt"))
    held.halt()
    assert steps[2:] == ["let go", "halt"]


def test_a_worker_is_started(scene: Scene) -> None:
    """As gunicorn does it."""
    assert scene.master.spawn_worker() == 77


@pytest.mark.parametrize("code", [Arbiter.WORKER_BOOT_ERROR, Arbiter.APP_LOAD_ERROR])
def test_a_worker_that_cannot_boot(scene: Scene, code: int) -> None:
    """At the first start it ends the master; later it only ends, not too soon."""
    for expected, slept in ((code, []), (1, [master.BOOT_PAUSE])):
        scene.ending = SystemExit(code)
        with pytest.raises(SystemExit) as end:
            scene.master.spawn_worker()
        assert (end.value.code, scene.slept) == (expected, slept)
        scene.state.note_boot()


def test_two_workers_that_cannot_boot(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is found when the master ends for the first: it ends in order all the same."""
    ended = [HaltServer("first", 3), HaltServer("second", 3)]

    def reap(_: Arbiter) -> None:
        if ended:
            raise ended.pop(0)
        scene.steps.append("reaped")

    monkeypatch.setattr(Arbiter, "reap_workers", reap)
    monkeypatch.setattr(Arbiter, "halt", lambda self, *how: (self.reap_workers(), sys.exit(how[1])))
    with pytest.raises(HaltServer, match="first"):
        scene.master.reap_workers()
    with pytest.raises(SystemExit) as end:
        scene.master.halt("first", 3)
    assert (end.value.code, scene.steps) == (3, ["reaped"])


def test_a_worker_that_ended_keeps_its_code(scene: Scene) -> None:
    """Its own reasons are none of the master's."""
    scene.state.note_boot()
    scene.ending = SystemExit(0)
    with pytest.raises(SystemExit) as end:
        scene.master.spawn_worker()
    assert (end.value.code, scene.slept) == (0, [])


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EAGAIN, "Resource temporarily unavailable"), "Resource temporarily unavai"),
        (RuntimeError("canary"), "RuntimeError"),
    ],
)
def test_a_fork_that_fails(
    scene: Scene, caplog: pytest.LogCaptureFixture, error: Exception, reason: str
) -> None:
    """It is tried again; the log tells it, once a minute at most."""
    scene.ending = error
    for scene.now in (0.0, 1.0, LOG_INTERVAL - 1, LOG_INTERVAL):
        assert scene.master.spawn_worker() == 0
    told = [(r.levelno, r.message, r.__dict__["reason"][:27]) for r in caplog.records]
    assert told == [(logging.ERROR, "worker.not_started", reason)] * 2
    assert "canary" not in caplog.text


def test_gunicorns_mask_for_one_file_does_not_stay(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leaves 0 behind when it cannot make the file of a worker's heartbeat."""

    def fork() -> int:
        os.umask(0)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(scene, "fork", fork)
    before = os.umask(0o027)
    try:
        scene.master.spawn_worker()
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


class TestDrain:
    """What SIGTERM does before it ends the master."""

    def test_it_goes_on_for_a_while(self, scene: Scene) -> None:
        """Workers are kept up meanwhile, and are told; then gunicorn ends as ever."""
        scene.master.handle_term()
        assert scene.state.draining
        scene.now = DRAIN - 0.1
        scene.master.manage_workers()
        assert scene.steps == ["keep up", "manage"]
        scene.now = DRAIN
        with pytest.raises(StopIteration):
            scene.master.manage_workers()
        assert scene.steps == ["keep up", "manage"]

    def test_a_second_one_ends_it_at_once(self, scene: Scene) -> None:
        """Whoever cannot wait says so twice."""
        scene.master.handle_term()
        with pytest.raises(StopIteration):
            scene.master.handle_term()

    def test_where_none_is_wanted(self, scene: Scene) -> None:
        """It ends at once, as gunicorn does."""
        at_once = Master(None, lambda: None, scene.state)
        with pytest.raises(StopIteration):
            at_once.handle_term()
        assert not scene.state.draining
