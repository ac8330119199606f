"""What is sealed beside a backoff, for whoever writes to Redis may forge what lies open there.

Whoever leaves a pause that is longer than any backoff seals until when it lasts: else one write
would end a service. How often Canvas refused the keys is sealed, and which writing of them was
acted on last: both say when refused keys are tried again.
"""

from dataclasses import dataclass, replace
from math import inf

from broker.limits import BACKOFF_MEMORY, EARLY_REFUSALS, ONE_WRITING, Limits
from broker.ports import Backoff, Failure

TOLERANCE_S = 5.0
"""Seconds by which Redis's time may be ahead of what the writer took for it: two operations."""
_ROUNDED_S = 0.1


class UnvouchedError(Exception):
    """A pause is longer than anybody vouches for."""


@dataclass(frozen=True, slots=True)
class Vouch:
    """What the process that failed says: until when by Redis's clock, and at which generation.

    ``refusals``, ``writing`` and ``acted`` as in :class:`~broker.ports.Backoff`.
    """

    until: float
    generation: int
    latched: bool
    refusals: int = 0
    writing: str = ""
    acted: float = 0.0


def vouch_for(failure: Failure, generation: int, limits: Limits) -> Vouch | None:
    """Return what is to be sealed with a failure; None where its pause passes without.

    A latch is sealed at any length: who is told of it by somebody who knows keeps it in memory.
    """
    if not (failure.delay > _longest(limits) or failure.latched or failure.refusals):
        return None
    return Vouch(
        failure.at + failure.delay,
        generation,
        failure.latched,
        failure.refusals,
        failure.writing,
        failure.acted,
    )


def vouched(
    backoff: Backoff, vouch: object, now: float, generation: int, limits: Limits
) -> Backoff:
    """Return ``backoff`` with what somebody vouches for; raises :class:`UnvouchedError`.

    An old vouch that was put back tells an end that is over, or a generation that has passed. One
    beside an end that was brought forward tells nothing of refusals: else they could be counted up
    in no time.
    """
    word = vouch if isinstance(vouch, Vouch) else None
    if word and (generation > word.generation or backoff.latched != word.latched):
        word = None
    left = -inf if word is None else word.until - now
    good = backoff.remaining <= left + TOLERANCE_S
    if not good and backoff.remaining > _longest(limits):
        raise UnvouchedError
    least, most = left - _ROUNDED_S, max(0.0, left) + TOLERANCE_S
    latched = backoff.latched and good
    told = Backoff(backoff.remaining, backoff.failures, backoff.failure, latched, vouched=good)
    if word is None or left < -BACKOFF_MEMORY - TOLERANCE_S or not least <= told.remaining <= most:
        return told
    return replace(
        told,
        latched=word.latched,
        refusals=word.refusals,
        writing=word.writing,
        acted=word.acted,
    )


def lifted(
    backoff: Backoff | None, writing: str, now: float, generation: int, limits: Limits
) -> Vouch | None:
    """Return what is to be sealed where this writing of the keys ends a latch; else None.

    ``backoff`` is what :func:`vouched` told. A writing counts once, and not where it was refused
    first. Another host's does nothing within ``ONE_WRITING`` of the last, none after
    ``EARLY_REFUSALS`` within ``Limits.latch``.
    """
    soon = limits.backoff_min
    if backoff is None or not backoff.latched or backoff.remaining <= soon:
        return None
    least = 0.0
    if backoff.refusals >= EARLY_REFUSALS:
        least = limits.latch
    elif backoff.writing and _host(backoff.writing) != _host(writing):
        least = min(limits.latch, ONE_WRITING)
    # An instant ahead of now was told before the clock was set back.
    if backoff.writing == writing or 0 <= now - backoff.acted < least:
        return None
    latched, refusals = backoff.latched, backoff.refusals
    return Vouch(now + soon, generation, latched, refusals, writing, now)


def _longest(limits: Limits) -> float:
    return max(limits.backoff_valid, limits.backoff_empty)


def _host(writing: str) -> str:
    return writing.partition("/")[0]
