"""How often this process may call Canvas for one organization, whatever Redis says (invariant 18).

All else that holds attempts back lies in Redis or begins with its answer. This does not: it counts
this process's own calls by its own monotonic clock, and no value in Redis changes it.
"""

from broker.limits import Limits, Rate

HELD_BACK = "held_back"
"""Stands where the kind of a failure does, and the outcome of a call."""


class Brake:
    """Counts calls of Canvas, and those of them that gave a new token.

    Each is counted by one instant: the one at which all that was done would be worked off at the
    rate's own pace (the generic cell rate algorithm). Not for several threads at once.
    """

    __slots__ = ("_calls_done", "_tokens_done")

    def __init__(self) -> None:
        self._calls_done = self._tokens_done = float("-inf")

    def wait(self, now: float, limits: Limits) -> float:
        """Return the seconds until an attempt with all its calls may begin; 0 if it may now."""
        calls = _wait(self._calls_done, now, limits.calls, limits.upstream_attempts)
        return max(calls, _wait(self._tokens_done, now, limits.tokens, 1))

    def note_call(self, now: float, limits: Limits) -> None:
        """Count a call that is about to be sent."""
        self._calls_done = max(self._calls_done, now) + limits.calls.interval

    def note_not_sent(self, limits: Limits) -> None:
        """Take the last call back: nothing of it reached Canvas."""
        self._calls_done -= limits.calls.interval

    def note_token(self, now: float, limits: Limits) -> None:
        """Count a call that gave a new token."""
        self._tokens_done = max(self._tokens_done, now) + limits.tokens.interval


def _wait(done: float, now: float, rate: Rate, number: int) -> float:
    return max(0.0, done - now - (rate.burst - number) * rate.interval)
