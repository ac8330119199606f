import pytest

from broker.pod.events import join
from broker.policy.history import REMEMBERED, Event


def got(at: float, seconds: float = 0.3, kind: str = "refresh") -> Event:
    """Return a call that gave a token."""
    return Event(at, kind, seconds, "success")


def failed(at: float) -> Event:
    """Return a call that did not."""
    return Event(at, "authenticate", 5.0, "ambiguous", "timeout")


def heard(at: float) -> Event:
    """Return a token from elsewhere."""
    return Event(at, "elsewhere", None, "success")


@pytest.mark.parametrize(
    ("histories", "expected"),
    [
        ([], []),
        ([[], []], []),
        ([[got(5)], [got(9), failed(2)]], [failed(2), got(5), got(9)]),
        # A sibling's own, minted when its call began or a little off.
        ([[got(5)], [heard(5.3)]], [got(5)]),
        ([[heard(6.3)], [got(5)]], [got(5)]),
        ([[got(5)], [heard(4.0)]], [got(5)]),
        ([[got(5, seconds=9.0)], [heard(14.5)]], [got(5, seconds=9.0)]),
        # Another pod's.
        ([[got(5)], [heard(6.4)]], [got(5), heard(6.4)]),
        ([[got(5)], [heard(3.9)]], [heard(3.9), got(5)]),
        # Two who heard of the same, and of two.
        ([[heard(5)], [heard(5.9)]], [heard(5)]),
        ([[heard(5)], [heard(6.1)]], [heard(5), heard(6.1)]),
        # A failure gave no token that anybody could hear of.
        ([[failed(5)], [heard(5)]], [failed(5), heard(5)]),
    ],
)
def test_each_event_is_told_once_newest_first(
    histories: list[list[Event]], expected: list[Event]
) -> None:
    """Whoever tells of it."""
    assert join(histories) == tuple(expected)


def test_no_more_are_told_than_one_worker_remembers() -> None:
    """The newest of them."""
    joined = join([[got(n * 10) for n in range(15)], [failed(n * 10 + 5) for n in range(15)]])
    assert len(joined) == REMEMBERED
    assert joined[-1].at == 95
