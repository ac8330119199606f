import socket
from collections.abc import Iterator

import pytest

from broker.errors import AmbiguousError, NotSentError
from broker.failure_kinds import FailureKind
from broker.upstream.attempt import AbandonedError, Attempt
from tests.upstream.samples import FakeClock, answer


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets: the carrier's and Canvas's."""
    near, far = socket.socketpair()
    far.settimeout(5)
    with near, far:
        yield near, far


def test_the_outcome_is_handed_over() -> None:
    """A finished attempt gives what it was finished with, and does not wait."""
    attempt = Attempt(FakeClock())
    outcome = answer()
    attempt.finish(outcome)
    assert attempt.wait(0) is outcome


def test_giving_up_before_sending_is_definite() -> None:
    """Nothing was sent, and nothing will be: sending is refused for good."""
    attempt = Attempt(FakeClock())
    found = attempt.wait(0)
    assert isinstance(found, NotSentError)
    assert found.kind == "connect_timeout"
    with pytest.raises(AbandonedError):
        attempt.begin()
    assert attempt.sent() is None


def test_giving_up_after_sending_began_is_ambiguous() -> None:
    """Nobody knows how far the request came."""
    attempt = Attempt(FakeClock())
    attempt.begin()
    found = attempt.wait(0)
    assert isinstance(found, AmbiguousError)
    assert found.kind == "timeout"


def test_sending_is_noted_when_it_begins() -> None:
    """The instant is that of the send, not of the start of the attempt."""
    clock = FakeClock(monotonic=5.0)
    attempt = Attempt(clock)
    clock.now = 7.0
    attempt.begin()
    clock.now = 9.0
    assert attempt.sent() == 7.0


def test_a_failure_has_the_class_of_its_phase() -> None:
    """The same word is definite before sending and ambiguous after."""
    attempt = Attempt(FakeClock())
    assert isinstance(attempt.failure(FailureKind.RESET), NotSentError)
    attempt.begin()
    assert isinstance(attempt.failure(FailureKind.RESET), AmbiguousError)


@pytest.mark.sockets
def test_giving_up_ends_the_connection(ends: tuple[socket.socket, socket.socket]) -> None:
    """Both sides see the end at once, although the carrier still holds its socket."""
    near, far = ends
    attempt = Attempt(FakeClock())
    attempt.hold(near)
    attempt.wait(0)
    assert far.recv(1) == b""
    assert near.recv(1) == b""
    attempt.finish(answer())


@pytest.mark.sockets
def test_a_connection_that_comes_too_late_is_closed(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """A connection that stands after the deadline is not kept."""
    near, far = ends
    attempt = Attempt(FakeClock())
    attempt.wait(0)
    with pytest.raises(AbandonedError):
        attempt.hold(near)
    assert far.recv(1) == b""


@pytest.mark.sockets
def test_finishing_lets_go_of_the_connection(ends: tuple[socket.socket, socket.socket]) -> None:
    """After the end only the carrier's own socket keeps the connection open."""
    near, far = ends
    attempt = Attempt(FakeClock())
    attempt.hold(near)
    attempt.finish(answer())
    near.close()
    assert far.recv(1) == b""


@pytest.mark.sockets
def test_giving_up_on_a_broken_connection_is_no_error(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """The other side may be gone already."""
    near, far = ends
    attempt = Attempt(FakeClock())
    attempt.hold(near)
    far.close()
    assert isinstance(attempt.wait(0), NotSentError)
    attempt.finish(answer())
