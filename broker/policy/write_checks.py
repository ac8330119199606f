"""Whether Redis takes writes: tried at a low rate, so that it is known before a refresh is due.

Looks only read, and would go on well while every refresh is going to fail.
"""

from collections.abc import Callable, Iterable
from functools import partial

from broker.policy.lease import Tools
from broker.policy.organization import Organization
from broker.ports import RecordStores

INTERVAL_S = 30.0
"""Seconds between two tries of a process: a few commands for each primary of Redis."""


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
        self._next = tools.clock.monotonic() + INTERVAL_S

    def launch_due(self, organizations: Iterable[Organization]) -> None:
        """Begin a try if it is due, for those in use and those whose writes were refused."""
        now = self._tools.clock.monotonic()
        if now < self._next:
            return
        self._next = now + INTERVAL_S
        chosen = [one for one in organizations if one.write_fault or self._keeps_warm(one, now)]
        if chosen:
            self._tools.runtime.spawn(partial(self._check, chosen))

    def _check(self, organizations: list[Organization]) -> None:
        observer = self._tools.observer
        reasons = self._stores.check_writes([one.binding.store for one in organizations])
        for organization, reason in zip(organizations, reasons, strict=True):
            before = organization.store_fault
            if reason is None:
                organization.write_fault = None
            elif reason.row.refuses_writes:
                organization.write_fault = reason
            if reason is not None:
                observer.store_failed(organization.name, reason)
            elif before is not None and organization.store_fault is None:
                observer.store_recovered(organization.name)
