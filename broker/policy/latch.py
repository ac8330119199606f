"""Keys that Canvas refuses are tried again at once when they have been written anew."""

from broker.policy.lease import Tools
from broker.policy.look import look
from broker.policy.organization import Organization
from broker.policy.values import Binding
from broker.ports import Backoff, Snapshot


def lift(
    organization: Organization, binding: Binding, tools: Tools, snapshot: Snapshot
) -> Snapshot:
    """Lift a latch once for each new writing of the credentials; return what holds then.

    Raises :class:`~broker.errors.StoreUnavailableError`.
    """
    backoff = snapshot.backoff
    if binding.is_news:
        if backoff is not None and backoff.latched:
            binding.store.lift(binding.credentials.writing)
            snapshot = look(organization, binding, tools)
        lift_here(organization, snapshot.backoff, tools)
        binding.is_news = False
    return snapshot


def lift_here(organization: Organization, backoff: Backoff | None, tools: Tools) -> None:
    """End what this process knows of a latch, unless the one in Redis stands."""
    pause, soon = organization.pause, tools.limits.backoff_min
    stands = backoff is not None and backoff.latched and backoff.remaining > soon
    if pause is not None and pause.latched and not stands:
        organization.pause = pause.cut(tools.clock.monotonic() + soon)
