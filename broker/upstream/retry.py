"""The retry policy: repeats an upstream call inside one lease, and only where that is harmless."""

from collections.abc import Callable

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random

from broker.clock import Clock
from broker.errors import UpstreamError
from broker.limits import Limits
from broker.tokens import TokenPair

SHORTEST_WAIT = 0.1
"""Shortest pause between two attempts, in seconds."""
LONGEST_WAIT = 0.5
"""Longest pause between two attempts, in seconds."""


class LeaseRetry:
    """Tries again only after our own errors that say ``retryable``, after a short random pause.

    Bounded in attempts, and in time: another attempt begins only while a whole one still fits
    into ``limits.deadline``. What is raised is the last error itself.
    """

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._budget = limits.deadline - limits.upstream_timeout
        self._clock = clock

    def __call__(self, call: Callable[[], TokenPair], attempts: int) -> TokenPair:
        """Return what ``call`` returns; raise its last :class:`~broker.errors.UpstreamError`.

        Tries at most ``attempts`` times.
        """
        began = self._clock.monotonic()

        def enough(state: RetryCallState) -> bool:
            next_begins = self._clock.monotonic() - began + state.upcoming_sleep
            return state.attempt_number >= attempts or next_begins > self._budget

        return Retrying(
            retry=retry_if_exception(_harmless),
            stop=enough,
            wait=wait_random(SHORTEST_WAIT, LONGEST_WAIT),
            sleep=self._clock.sleep,
            reraise=True,
        )(call)


def _harmless(error: BaseException) -> bool:
    return isinstance(error, UpstreamError) and error.retryable
