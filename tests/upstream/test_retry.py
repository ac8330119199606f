from collections.abc import Callable

import pytest

from broker.errors import (
    AmbiguousError,
    KeysRejectedError,
    NotSentError,
    RefreshTokenUnknownError,
    StoreUnavailableError,
    ThrottledError,
    UnusableTokenError,
    UpstreamError,
)
from broker.limits import Limits
from broker.secret import Secret
from broker.tokens import RefreshToken, TokenPair
from broker.upstream.retry import LONGEST_WAIT, SHORTEST_WAIT, LeaseRetry
from tests.upstream.samples import FakeClock

PAIR = TokenPair(Secret("access"), 600, RefreshToken(Secret("refresh"), 86400), 0.0)
SPARE = RefreshToken(Secret("refresh"), 86400)


class Calls:
    """A call that takes ``seconds`` and fails as told, then succeeds."""

    def __init__(self, clock: FakeClock, *failures: BaseException, seconds: float = 0.0) -> None:
        self._clock = clock
        self._seconds = seconds
        self._failures = list(failures)
        self.made = 0

    def __call__(self) -> TokenPair:
        """Take time, then fail or succeed."""
        self.made += 1
        self._clock.now += self._seconds
        if self._failures:
            raise self._failures.pop(0)
        return PAIR


def caught(retry: LeaseRetry, call: Callable[[], TokenPair], attempts: int) -> BaseException:
    """Return what the policy raises."""
    with pytest.raises(BaseException) as found:
        retry(call, attempts)
    return found.value


def test_a_success_is_returned_without_a_pause() -> None:
    """Nothing is repeated that went well."""
    clock = FakeClock()
    call = Calls(clock)
    assert LeaseRetry(Limits(), clock)(call, 2) is PAIR
    assert (call.made, clock.slept) == (1, [])


def test_a_definite_failure_is_tried_again_after_a_short_pause() -> None:
    """What was not sent may be sent, by the injected sleep and not at once."""
    clock = FakeClock()
    call = Calls(clock, NotSentError("dns"))
    assert LeaseRetry(Limits(), clock)(call, 2) is PAIR
    assert call.made == 2
    (pause,) = clock.slept
    assert SHORTEST_WAIT <= pause <= LONGEST_WAIT


def test_pauses_are_drawn_anew() -> None:
    """A fleet does not try again in step."""
    clock = FakeClock()
    for _ in range(20):
        LeaseRetry(Limits(), clock)(Calls(clock, NotSentError("dns")), 2)
    assert len(set(clock.slept)) > 1


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_attempts_are_counted(attempts: int) -> None:
    """No more attempts are made than allowed, and the last error comes out itself."""
    clock = FakeClock()
    errors = [NotSentError("connect") for _ in range(5)]
    call = Calls(clock, *errors)
    found = caught(LeaseRetry(Limits(upstream_attempts=9, lease=100), clock), call, attempts)
    assert call.made == attempts
    assert found is errors[attempts - 1]


@pytest.mark.parametrize(
    "error",
    [
        AmbiguousError("timeout"),
        UnusableTokenError("expired_on_arrival", SPARE),
        ThrottledError("throttled", retry_after=1),
        KeysRejectedError("keys_rejected"),
        RefreshTokenUnknownError("refresh_token_unknown"),
        StoreUnavailableError(),
        ValueError(),
        KeyboardInterrupt(),
        SystemExit(),
    ],
)
def test_nothing_else_is_tried_again(error: BaseException) -> None:
    """Only our own upstream errors that say retryable are on the list."""
    clock = FakeClock()
    call = Calls(clock, error)
    assert caught(LeaseRetry(Limits(), clock), call, 5) is error
    assert (call.made, clock.slept) == (1, [])


def test_the_second_failure_decides() -> None:
    """An ambiguous failure after a definite one ends it, and is what comes out."""
    clock = FakeClock()
    last = AmbiguousError("reset")
    call = Calls(clock, NotSentError("tls"), last)
    assert caught(LeaseRetry(Limits(), clock), call, 5) is last
    assert call.made == 2


@pytest.mark.parametrize(("seconds", "made"), [(2.0, 2), (4.4, 2), (5.0, 1)])
def test_another_attempt_must_fit_into_the_deadline(seconds: float, made: int) -> None:
    """With 10 s for all and 5 s for one, none begins later than 5 s after the start."""
    clock = FakeClock()
    call = Calls(clock, NotSentError("connect_timeout"), seconds=seconds)
    try:
        LeaseRetry(Limits(), clock)(call, 2)
    except NotSentError:
        assert made == 1
    assert call.made == made


def test_the_error_has_no_past() -> None:
    """No cause and no context: neither the first failure nor tenacity's own error hangs on it."""
    clock = FakeClock()
    call = Calls(clock, NotSentError("dns"), NotSentError("connect"))
    found = caught(LeaseRetry(Limits(), clock), call, 2)
    assert isinstance(found, UpstreamError)
    assert found.kind == "connect"
    assert found.__cause__ is None
    assert found.__context__ is None
