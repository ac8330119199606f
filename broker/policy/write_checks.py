"""Whether Redis takes writes: tried at a low rate, so that it is known before a refresh is due.

Looks only read, and would go on well while every refresh is going to fail. The first try that goes
well shows that this process is connected and logged in, and may do there what it needs.
"""

from collections.abc import Callable, Iterable
from functools import partial

from broker.observer import StoreFailed, StoreRecovered
from broker.policy.lease import Tools
from broker.policy.organization import Organization
from broker.ports import RecordStores
from broker.store_faults import StoreFault

INTERVAL_S = 30.0
"""Seconds between two tries of a process: a few commands for each primary of Redis."""
_OF_REDIS = {StoreFault.OUT_OF_MEMORY, StoreFault.CANNOT_PERSIST, StoreFault.TOO_FEW_REPLICAS}
"""Writes refused so are refused to all processes: the one that tried is set up as it should be."""
FIRST_S = 1.0
"""Seconds between two tries until the first has gone well: a pod is not ready before."""


class WriteChecks:
    """Tries each :data:`INTERVAL_S` whether Redis takes writes, beside all other work.

    ``keeps_warm`` tells of an organization whether it is in use at a monotonic instant.
    """

    def __init__(
        self,
        tools: Tools,
        stores: RecordStores,
        keeps_warm: Callable[[Organization, float], bool],
    ) -> None:
        self._keeps_warm = keeps_warm
        self._tools = tools
        self._stores = stores
        self._last = float("-inf")
        self._trying = False
        self.passed = False
        """Whether a try has ever gone well for any organization, but for :data:`_OF_REDIS`."""

    def launch_due(self, organizations: Iterable[Organization]) -> None:
        """Begin a try if it is due, for those in use and those for whom Redis does not work.

        Until one has gone well it is for all.
        """
        now = self._tools.clock.monotonic()
        if self._trying or now < self._last + (INTERVAL_S if self.passed else FIRST_S):
            return
        self._last = now
        chosen = [one for one in organizations if self._is_tried(one, now)]
        if chosen:
            self._trying = True
            self._tools.runtime.spawn(partial(self._try, chosen))

    def _is_tried(self, organization: Organization, now: float) -> bool:
        failing = organization.write_fault or organization.binding.store.outage
        return bool(failing) or not self.passed or self._keeps_warm(organization, now)

    def _try(self, organizations: list[Organization]) -> None:
        try:
            self._check(organizations)
        finally:
            self._trying = False

    def _check(self, organizations: list[Organization]) -> None:
        observer = self._tools.observer
        reasons = self._stores.check_writes([one.binding.store for one in organizations])
        self.passed |= any(not reason or reason.fault in _OF_REDIS for reason in reasons)
        for organization, reason in zip(organizations, reasons, strict=True):
            before = organization.store_fault
            if reason is None:
                organization.write_fault = None
            elif reason.row.refuses_writes:
                organization.write_fault = reason
            if reason is not None:
                observer.handle(StoreFailed(organization.name, reason))
            elif before is not None and organization.store_fault is None:
                observer.handle(StoreRecovered(organization.name))
