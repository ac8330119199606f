"""What a caller gets: a token with its times, or the reason why there is none."""

from collections.abc import Iterable
from dataclasses import dataclass
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
from broker.policy.history import Event
from broker.policy.organization import Organization
from broker.policy.values import Copy, Pause
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


class Ability(NamedTuple):
    """What a process can do for callers.

    ``written``: Redis has taken a write of it. ``serving``: it has a valid token of any
    organization, or has written and nothing hinders getting one.
    """

    written: bool
    serving: bool


class Served(NamedTuple):
    """A token for a caller; ``expires_in`` and ``refresh_in`` are whole seconds from now."""

    organization: str
    access_token: Secret
    expires_in: int
    refresh_in: int
    generation: int
    state: State
    hindrance: Hindrance | None = None


@dataclass(frozen=True, slots=True)
class OrganizationHealth:
    """What operators may know of one organization; never a secret. Durations in seconds.

    ``store_fault`` is a :class:`~broker.store_faults.Reason` as text: why Redis fails, if it does.
    """

    organization: str
    state: State
    generation: int | None
    expires_in: float | None
    refresh_expires_in: float | None
    last_refresh: float | None
    last_error: str | None
    failures: int
    latched: bool
    next_attempt_in: float | None
    store_fault: str | None
    landed: bool
    credential_version: str
    record_version: str | None
    skew: float | None
    lifetime: float | None = None
    margin: float | None = None
    refresh_lifetime: float | None = None
    in_use: bool = False
    overdue: float = 0.0
    flaws: tuple[str, ...] = ()
    recent: tuple[Event, ...] = ()

    @property
    def store_answers(self) -> bool:
        """Tell whether Redis answers, and takes writes as far as is known."""
        return self.store_fault is None


def store_fault_of(organization: Organization) -> Reason | None:
    """Return what keeps Redis from working for ``organization``, whoever found out."""
    return organization.store_fault or organization.binding.store.outage


def hindrance_of(organization: Organization) -> Hindrance | None:
    """Return what keeps this process from getting a better token, if anything does."""
    pause = organization.pause
    if pause is not None and pause.latched:
        return Hindrance.CREDENTIALS_REJECTED
    if store_fault_of(organization) is not None:
        return Hindrance.STORE_UNAVAILABLE
    return None if pause is None or not pause.failures else Hindrance.REFRESH_FAILING


def ability_of(organizations: Iterable[Organization], now: float, *, written: bool) -> Ability:
    """Return what a process with these organizations can do at the monotonic instant ``now``."""
    serving = any(
        one.state(now) is not State.EMPTY or (written and hindrance_of(one) is None)
        for one in organizations
    )
    return Ability(written, serving)


def serve(
    organization: Organization, copy: Copy, now: float, chance: float, limits: Limits
) -> Served:
    """Return the answer with ``copy``; ``chance`` (0 to 1) spreads ``refresh_in`` by a tenth."""
    remaining = copy.remaining(now)
    fresh_for = remaining - copy.record.margin
    worth = fresh_for if fresh_for > 0 else STALE_REFRESH_IN
    refresh_in = worth * (1 + SPREAD * (2 * chance - 1))
    return Served(
        organization=organization.name,
        access_token=copy.record.access_token,
        expires_in=int(remaining),
        refresh_in=max(1, min(int(refresh_in), int(remaining))),
        generation=copy.record.generation,
        state=state_of(remaining, copy.record.margin, limits),
        hindrance=hindrance_of(organization),
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


def health_of(
    organization: Organization, now: float, host: float, *, kept: bool
) -> OrganizationHealth:
    """Return what operators may know of ``organization``.

    ``host`` is this host's wall clock minus its monotonic one; ``kept`` says that a token is kept
    current. Until somebody has asked for it, it is not in use all the same: nobody misses it.
    """
    copy, pause, skew = organization.copy, organization.pause, organization.skew
    fault = store_fault_of(organization)
    in_use = kept and organization.wanted_since is not None
    return OrganizationHealth(
        organization=organization.name,
        state=organization.state(now),
        **_times_of(copy, now),
        generation=copy.record.generation if copy else None,
        last_error=pause.failure if pause else None,
        failures=pause.failures if pause else 0,
        latched=pause is not None and pause.latched,
        next_attempt_in=max(0.0, pause.until - now) if pause else None,
        store_fault=None if fault is None else str(fault),
        landed=organization.unlanded is None,
        credential_version=organization.binding.version,
        record_version=copy.version if copy else None,
        skew=None if skew is None else skew.now(host),
        in_use=in_use,
        overdue=overdue(organization, now) if in_use else 0.0,
        flaws=tuple(sorted(copy.record.flaws)) if copy else (),
        recent=tuple(organization.history.recent(now)),
    )


def overdue(organization: Organization, now: float) -> float:
    """Return the seconds since a new token was due; 0 while none is."""
    copy, wanted = organization.copy, organization.wanted_since
    if wanted is None:
        return 0.0
    due = wanted if copy is None else max(wanted, copy.expires - copy.record.margin)
    return max(0.0, now - due)


def _times_of(copy: Copy | None, now: float) -> dict[str, float | None]:
    if copy is None:
        names = ("expires_in", "refresh_expires_in", "last_refresh", "lifetime", "margin")
        return dict.fromkeys((*names, "refresh_lifetime"))
    record, expires_in = copy.record, copy.remaining(now)
    refresh = record.refresh_expires_at
    beyond = None if refresh is None else refresh - record.expires_at
    return {
        "expires_in": expires_in,
        "refresh_expires_in": None if beyond is None else expires_in + beyond,
        "last_refresh": now - copy.minted,
        "lifetime": record.lifetime,
        "margin": record.margin,
        "refresh_lifetime": None if beyond is None else record.lifetime + beyond,
    }
