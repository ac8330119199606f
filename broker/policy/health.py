"""What operators may know of an organization, and since when its callers have missed a token."""

from typing import NamedTuple, TypeAlias

from broker.policy.answers import store_fault_of
from broker.policy.organization import Organization
from broker.policy.values import Copy
from broker.tokens import State


class OrganizationHealth(NamedTuple):
    """What operators may know of one organization; never a secret. Durations in seconds.

    ``store_fault`` is a :class:`~broker.store_faults.Reason` as text: why Redis fails, if it does.
    ``overdue`` is the time since a new token was due for those who ask; ``refusing`` says that
    there is none, and has not been for longer than a request waits. ``damaged`` is the time since
    something was found in Redis that no broker writes, if that is not long ago. ``failed`` is the
    time since the failure that ``next_attempt_in`` follows, if it was here; ``skew_age`` that since
    ``skew`` was measured.
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
    refusing: bool = False
    flaws: tuple[str, ...] = ()
    damaged: float | None = None
    failed: float | None = None
    skew_age: float | None = None

    @property
    def store_answers(self) -> bool:
        """Tell whether Redis answers, and takes writes as far as is known."""
        return self.store_fault is None


def health_of(
    organization: Organization, now: float, host: float, *, kept: bool, wait: float
) -> OrganizationHealth:
    """Return what operators may know of ``organization``.

    ``host`` is this host's wall clock minus its monotonic one; ``kept`` says that a token is kept
    current. Until somebody has asked for it, it is not in use all the same: nobody misses it.
    ``wait`` is how long a request waits for a token.
    """
    copy, pause, skew = organization.copy, organization.pause, organization.skew
    fault = store_fault_of(organization)
    in_use, state = kept and organization.wanted_since is not None, organization.state(now)
    late = overdue(organization, now) if in_use else 0.0
    expires_in, refresh_expires_in, last_refresh, refresh_lifetime = _times_of(copy, now)
    return OrganizationHealth(
        organization=organization.name,
        state=state,
        generation=copy.record.generation if copy else None,
        expires_in=expires_in,
        refresh_expires_in=refresh_expires_in,
        last_refresh=last_refresh,
        last_error=pause.failure if pause else None,
        failures=pause.failures if pause else 0,
        latched=pause is not None and pause.latched,
        next_attempt_in=max(0.0, pause.until - now) if pause else None,
        store_fault=None if fault is None else str(fault),
        landed=organization.unlanded is None,
        credential_version=organization.binding.version,
        record_version=copy.version if copy else None,
        skew=None if skew is None else skew.now(host),
        lifetime=copy.record.lifetime if copy else None,
        margin=copy.record.margin if copy else None,
        refresh_lifetime=refresh_lifetime,
        in_use=in_use,
        overdue=late,
        refusing=state is State.EMPTY and late > wait,
        flaws=tuple(sorted(copy.record.flaws)) if copy else (),
        damaged=organization.history.damage_age(now),
        failed=None if pause is None else organization.history.failure_age(now),
        skew_age=None if skew is None else now - skew.at,
    )


def overdue(organization: Organization, now: float) -> float:
    """Return the seconds since a new token was due; 0 while none is."""
    copy, wanted = organization.copy, organization.wanted_since
    if wanted is None:
        return 0.0
    due = wanted if copy is None else max(wanted, copy.expires - copy.record.margin)
    return max(0.0, now - due)


_Times: TypeAlias = tuple[float | None, float | None, float | None, float | None]


def _times_of(copy: Copy | None, now: float) -> _Times:
    """Return when both tokens expire, when they came, and how long the refresh token lives."""
    if copy is None:
        return None, None, None, None
    record, expires_in, age = copy.record, copy.remaining(now), now - copy.minted
    refresh = record.refresh_expires_at
    if refresh is None:
        return expires_in, None, age, None
    beyond = refresh - record.expires_at
    return expires_in, expires_in + beyond, age, record.lifetime + beyond
