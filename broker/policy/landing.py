"""Brings to Redis what this process has and Redis has not: late commits, and lost records."""

from collections.abc import Iterable, Sized
from dataclasses import replace

from broker.clock import Clock
from broker.errors import StoreUnavailableError
from broker.limits import Limits
from broker.policy.organization import Organization
from broker.policy.values import Binding, Copy
from broker.ports import Snapshot
from broker.tokens import Record, State, state_of


def land(organization: Organization, clock: Clock) -> None:
    """Repeat the commit that Redis has not confirmed, if there is one.

    Raises :class:`~broker.errors.StoreUnavailableError`.
    """
    unlanded = organization.unlanded
    if unlanded is None:
        return
    commitment = unlanded.commit(clock)
    if organization.unlanded is unlanded:
        organization.unlanded = None
    if not commitment.superseded:
        record = replace(unlanded.copy.record, generation=commitment.generation)
        organization.install(replace(unlanded.copy, record=record))


def land_all(organizations: Iterable[Organization], clock: Clock) -> bool:
    """Repeat every commit that is not confirmed; tell whether Redis has taken them all."""
    landed = True
    for organization in organizations:
        try:
            land(organization, clock)
        except StoreUnavailableError:
            landed = False
    return landed


def land_last(
    organizations: Iterable[Organization], flights: Sized, clock: Clock, seconds: float
) -> bool:
    """Let ``flights`` end and commits land for ``seconds``; tell whether all did."""
    until = clock.monotonic() + seconds
    while clock.monotonic() < until:
        if not flights and land_all(organizations, clock):
            return True
        clock.sleep(0.1)
    return False


def lost(
    organization: Organization, binding: Binding, snapshot: Snapshot, now: float, limits: Limits
) -> Record | None:
    """Return the record that Redis should have back, timed by its present clock.

    That is this process's copy, where Redis holds a lower generation, or holds this one as
    written by another server. Or, lifted above it, the fresh record of new credentials, where
    a process with the old ones has committed after it: a generation served must not go back,
    and the old token must not be served on. (One that is not fresh is not worth it: the new
    credentials are due anyway.) ``now`` is the monotonic instant at which Redis was asked.
    """
    copy = organization.copy
    if copy is None or organization.unlanded is not None or not copy.certain:
        return None
    if copy.version != binding.version:
        return _outrun(organization, binding, snapshot, copy, limits)
    generation = copy.record.generation
    stands = snapshot.generation == generation and not snapshot.foreign
    if stands or snapshot.generation > generation:
        return None
    if copy.remaining(now) <= limits.dead:
        return None
    expires_at = snapshot.now + copy.remaining(now)
    refresh_expires_at = copy.record.refresh_expires_at
    if refresh_expires_at is not None:
        refresh_expires_at += expires_at - copy.record.expires_at
    return replace(copy.record, expires_at=expires_at, refresh_expires_at=refresh_expires_at)


def _outrun(
    organization: Organization, binding: Binding, snapshot: Snapshot, copy: Copy, limits: Limits
) -> Record | None:
    record, generation = snapshot.record, copy.record.generation
    if binding.version != organization.binding.version or record is None or snapshot.foreign:
        return None
    left = record.expires_at - snapshot.now
    fresh = state_of(left, record.margin, limits) is State.FRESH
    known = organization.server_clock.vouches(snapshot)
    if record.generation > generation or snapshot.refused or not fresh or not known:
        return None
    return replace(record, generation=generation + 1)
