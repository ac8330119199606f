"""One look at Redis: brings it and this process to the newest record that either has."""

from dataclasses import replace

from broker.errors import StoreUnavailableError
from broker.observer import Crashed, StoreFailed, StoreRecovered
from broker.policy.landing import land, lost
from broker.policy.lease import Tools
from broker.policy.organization import Organization
from broker.policy.values import Binding
from broker.ports import Snapshot
from broker.store_faults import NOT_FORESEEN
from broker.tokens import Stamp


def look(organization: Organization, binding: Binding, tools: Tools) -> Snapshot:
    """Bring Redis and this process to the newest record that either has.

    Raises :class:`~broker.errors.StoreUnavailableError`.
    """
    land(organization, tools.clock)
    snapshot, asked = read(organization, binding, tools)
    clock = organization.server_clock
    if clock.is_to_tell(binding.version, asked, tools.limits.lease):
        binding.store.note_clock_step()
        clock.told(binding.version)
        snapshot = replace(snapshot, foreign=snapshot.generation != 0, backoff=None)
    record = lost(organization, binding, snapshot, asked, tools.limits)
    if record is None:
        return snapshot
    tools.feed.doubted |= snapshot.server != ""  # who has no name is in doubt at each look
    now = snapshot.now + tools.clock.monotonic() - asked
    binding.store.republish(replace(record, stamp=Stamp(now, tools.clock.wall())))
    return read(organization, binding, tools)[0]


def read(organization: Organization, binding: Binding, tools: Tools) -> tuple[Snapshot, float]:
    """Read and take over what Redis holds; return it, and when it was asked."""
    asked = tools.clock.monotonic()
    snapshot = binding.store.read(organization.known(binding))
    organization.adopt(binding, snapshot, tools.round_trip(asked))
    return snapshot, asked


def try_look(organization: Organization, tools: Tools) -> None:
    """Look, whatever Redis answers: what is in memory is served all the same (invariant 4)."""
    failing = organization.store_fault is not None
    organization.unsettled = False
    try:
        look(organization, organization.binding, tools)
    except StoreUnavailableError as error:
        note_silence(organization, error, tools)
    except Exception as error:  # noqa: BLE001  # as the docstring says
        organization.note_silence(tools.clock.monotonic(), NOT_FORESEEN)
        tools.observer.handle(Crashed(organization.name, error))
    if failing and organization.store_fault is None:
        tools.observer.handle(StoreRecovered(organization.name))


def note_silence(organization: Organization, error: StoreUnavailableError, tools: Tools) -> None:
    """Note and tell that Redis did not do what it was asked."""
    organization.note_silence(tools.clock.monotonic(), error.reason)
    tools.observer.handle(StoreFailed(organization.name, error.reason))
