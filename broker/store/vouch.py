"""Who vouches for a long pause: whoever left it seals until when it lasts.

A pause that is no longer than any backoff passes by itself. A longer one, as Canvas asked for it or
after refused keys, would let whoever writes to Redis end a service with one write.
"""

from dataclasses import dataclass, replace

from broker.limits import Limits
from broker.ports import Backoff, Failure

TOLERANCE_S = 5.0
"""Seconds by which Redis's time may be ahead of what the writer took for it: two operations."""


class UnvouchedError(Exception):
    """A pause is longer than anybody vouches for."""


@dataclass(frozen=True, slots=True)
class Vouch:
    """What the process that failed says: until when by Redis's clock, and at which generation."""

    until: float
    generation: int
    latched: bool


def vouch_for(failure: Failure, generation: int, limits: Limits) -> Vouch | None:
    """Return what is to be sealed with a failure; None where its pause passes without.

    A latch is sealed at any length: who is told of it by somebody who knows keeps it in memory.
    """
    if failure.delay <= _longest(limits) and not failure.latched:
        return None
    return Vouch(failure.at + failure.delay, generation, failure.latched)


def vouched(
    backoff: Backoff, vouch: object, now: float, generation: int, limits: Limits
) -> Backoff:
    """Return ``backoff``, with whether somebody vouches for it; raises :class:`UnvouchedError`.

    An old vouch that was put back tells an end that is over, or a generation that has passed.
    """
    good = (
        isinstance(vouch, Vouch)
        and backoff.remaining <= vouch.until - now + TOLERANCE_S
        and generation <= vouch.generation
        and backoff.latched == vouch.latched
    )
    if not good and backoff.remaining > _longest(limits):
        raise UnvouchedError
    return replace(backoff, vouched=good)


def _longest(limits: Limits) -> float:
    return max(limits.backoff_valid, limits.backoff_empty)
