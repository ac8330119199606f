"""Sockets are held while a broker lives, and a moment longer."""

import pytest

from broker.listener.held import KEPT_S, HeldSockets


class Scene:
    """Sockets that are only numbers, and a clock that is set."""

    def __init__(self) -> None:
        self.now = 100.0
        self.closed: list[int] = []
        self.held = HeldSockets(lambda: self.now, self.closed.append)
        self.held.join()
        self.held.keep(b"here", [7, 8])


@pytest.fixture
def scene() -> Scene:
    """Let one broker have two sockets held."""
    return Scene()


def test_they_are_found_by_their_name(scene: Scene) -> None:
    """In their order, as often as they are asked for."""
    for _ in range(2):
        assert scene.held.find(b"here") == [7, 8]
    assert scene.closed == []


def test_a_broker_that_listens_elsewhere(scene: Scene) -> None:
    """It gets none, and what is held is in its way."""
    assert list(scene.held.find(b"there")) == []
    assert scene.closed == [7, 8]


def test_new_ones_take_the_place_of_the_old(scene: Scene) -> None:
    """They are the same sockets by other descriptors, as a rule."""
    scene.held.keep(b"here", [9])
    assert scene.closed == [7, 8]
    assert scene.held.find(b"here") == [9]


def test_while_a_broker_is_connected(scene: Scene) -> None:
    """There is no end to it."""
    scene.now += 10 * KEPT_S
    scene.held.expire()
    assert scene.held.remaining() is None
    assert scene.closed == []


def test_after_the_last_one_has_gone(scene: Scene) -> None:
    """They are closed once, when the time is over."""
    scene.held.join()
    for _ in range(2):
        assert scene.held.remaining() is None
        scene.held.leave()
    assert scene.held.remaining() == KEPT_S
    scene.now += KEPT_S - 1
    scene.held.expire()
    assert (scene.held.remaining(), scene.closed) == (1.0, [])
    scene.now += 2
    assert scene.held.remaining() == 0
    scene.held.expire()
    scene.held.expire()
    assert scene.closed == [7, 8]
    assert scene.held.remaining() is None
    assert list(scene.held.find(b"here")) == []


def test_the_next_one_is_in_time(scene: Scene) -> None:
    """The time begins anew when it goes, too."""
    scene.held.leave()
    scene.now += KEPT_S - 1
    scene.held.join()
    scene.now += KEPT_S
    scene.held.expire()
    assert scene.held.find(b"here") == [7, 8]
    scene.held.leave()
    assert scene.held.remaining() == KEPT_S


def test_the_end(scene: Scene) -> None:
    """Nothing is held from then on, and the process stays until the broker has gone."""
    scene.held.end()
    assert scene.closed == [7, 8]
    scene.held.keep(b"here", [9])
    assert scene.closed == [7, 8, 9]
    assert not scene.held.has_ended
    scene.held.leave()
    assert scene.held.has_ended


def test_no_broker_comes() -> None:
    """There is nothing to wait for, and the end is at once."""
    held = HeldSockets(lambda: 0.0)
    assert held.remaining() is None
    assert not held.has_ended
    held.end()
    assert held.has_ended
