"""The last events of an organization: newest first, whole, not more than are remembered."""

import sys

from broker.errors import AmbiguousError
from broker.policy.history import ELSEWHERE, REMEMBERED, SUCCESS, Event, History
from broker.tokens import Kind


def test_each_kind_of_event_comes_back_whole() -> None:
    """By the seconds since; what another process got has no length."""
    history, error = History(), AmbiguousError("timeout")
    history.succeeded(10.0, Kind.AUTHENTICATE, 0.5)
    history.failed(30.0, Kind.REFRESH, 4.0, error)
    history.adopted(20.0)
    assert list(history.recent(100.0)) == [
        Event(70.0, Kind.REFRESH, 4.0, error.failure, "timeout"),
        Event(80.0, ELSEWHERE, None, SUCCESS),
        Event(90.0, Kind.AUTHENTICATE, 0.5, SUCCESS),
    ]


def test_the_oldest_is_forgotten() -> None:
    """Once there are as many as are remembered."""
    history = History()
    for second in range(REMEMBERED + 5):
        history.succeeded(float(second), Kind.REFRESH, 0.1)
    ages = [event.at for event in history.recent(100.0)]
    assert ages == [100.0 - second for second in range(REMEMBERED + 4, 4, -1)]


def test_it_stays_small() -> None:
    """A worker has one of each organization: events themselves would be three kilobytes."""
    history = History()
    for second in range(REMEMBERED):
        history.succeeded(float(second), Kind.REFRESH, 0.1)
    times, whats = history._seen
    assert sys.getsizeof(times) + sys.getsizeof(whats) < 1024
    assert len({id(what) for what in whats}) == 1


def test_the_last_failure_is_known() -> None:
    """However many tokens came since."""
    history = History()
    history.succeeded(10.0, Kind.REFRESH, 0.1)
    assert history.failure_age(100.0) is None
    history.failed(20.0, Kind.REFRESH, 0.1, AmbiguousError("timeout"))
    history.failed(30.0, Kind.REFRESH, 0.1, AmbiguousError("timeout"))
    history.succeeded(40.0, Kind.REFRESH, 0.1)
    assert history.failure_age(100.0) == 70.0
