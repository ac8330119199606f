"""What a caller gets: a token with its times, or the reason why there is none."""

from enum import StrEnum
from typing import NamedTuple

from broker.errors import (
    CredentialsRejectedError,
    InvalidRequestError,
    NoStoreError,
    TemporarilyUnavailableError,
    UnavailableError,
)
from broker.limits import Limits
from broker.policy.organization import Organization
from broker.policy.pause import Pause
from broker.policy.values import Copy
from broker.secret import Secret
from broker.store_faults import Reason
from broker.tokens import State, state_of

STALE_REFRESH_IN = 5.0
"""Seconds after which asking again is worth it while a refresh is under way."""
LONGEST_RETRY_AFTER = 60.0
"""Seconds; a latch lasts longer, but ends at once when the keys are replaced."""
SPREAD = 0.1
MIN_TTL_RESERVE = 60
"""Whole seconds by which ``min_ttl`` must stay below a token's full lifetime."""


class Hindrance(StrEnum):
    """Why no better token can be had at the moment."""

    CREDENTIALS_REJECTED = "credentials_rejected"
    REFRESH_FAILING = "refresh_failing"
    STORE_UNAVAILABLE = "store_unavailable"


class Served(NamedTuple):
    """A token for a caller; ``expires_in`` and ``refresh_in`` are whole seconds from now."""

    organization: str
    access_token: Secret
    expires_in: int
    refresh_in: int
    generation: int
    state: State
    hindrance: Hindrance | None = None


def store_fault_of(organization: Organization) -> Reason | None:
    """Return what keeps Redis from working for ``organization``, whoever found out."""
    fault = organization.read_fault or organization.write_fault
    return fault or organization.binding.store.outage


def hindrance_of(organization: Organization) -> Hindrance | None:
    """Return what keeps this process from getting a better token, if anything does."""
    pause = organization.pause
    if pause is not None and pause.latched:
        return Hindrance.CREDENTIALS_REJECTED
    if store_fault_of(organization) is not None:
        return Hindrance.STORE_UNAVAILABLE
    return None if pause is None or not pause.failures else Hindrance.REFRESH_FAILING


def serve(
    organization: Organization, copy: Copy, now: float, chance: float, limits: Limits
) -> Served:
    """Return the answer with ``copy``; ``chance`` (0 to 1) spreads ``refresh_in`` by a tenth."""
    record, remaining = copy.record, copy.expires - now
    seconds, fresh_for = int(remaining), remaining - record.margin
    worth = fresh_for if fresh_for > 0 else STALE_REFRESH_IN
    refresh_in = min(int(worth * (1 + SPREAD * (2 * chance - 1))), seconds)
    return Served(
        organization.name,
        record.access_token,
        seconds,
        max(1, refresh_in),
        record.generation,
        state_of(remaining, record.margin, limits),
        hindrance_of(organization),
    )


def check_min_ttl(copy: Copy, min_ttl: int) -> None:
    """Raise :class:`~broker.errors.InvalidRequestError` for more than such a token can have."""
    most = max(0, int(copy.record.lifetime) - MIN_TTL_RESERVE)
    if min_ttl > most:
        raise InvalidRequestError(
            f"min_ttl must be 0 to {most} (this token's full lifetime minus "
            f"{MIN_TTL_RESERVE} seconds)"
        )


def refusal(organization: Organization, now: float) -> UnavailableError:
    """Return why there is no valid token, and when asking again may help."""
    pause = organization.pause
    if pause is not None and pause.latched:
        return CredentialsRejectedError(
            "Canvas refused this organization's credentials.", retry_after=_left(pause, now)
        )
    if organization.store_fault is not None:
        return NoStoreError("The store is not available and no token is in memory.", retry_after=2)
    if pause is None:
        return still_running()
    return TemporarilyUnavailableError(
        "Canvas does not give a token at the moment.", retry_after=_left(pause, now)
    )


def no_other(organization: Organization, now: float) -> TemporarilyUnavailableError:
    """Return the answer to one whose token was refused while there is no other."""
    pause = organization.pause
    return TemporarilyUnavailableError(
        "There is no other token yet than the one that was refused.",
        retry_after=1.0 if pause is None else _left(pause, now),
    )


def _left(pause: Pause, now: float) -> float:
    return min(max(1.0, pause.until - now), LONGEST_RETRY_AFTER)


def still_running() -> TemporarilyUnavailableError:
    """Return the answer to one who has waited as long as may be."""
    return TemporarilyUnavailableError("A refresh is still running.", retry_after=1)
