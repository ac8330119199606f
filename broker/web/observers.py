"""Several observers as one: what the policy tells is told to each of them."""

import logging
from collections.abc import Callable
from typing import Any

from broker.errors import UpstreamError
from broker.observer import Observer
from broker.ports import ReportStatus
from broker.store_damage import Damage
from broker.store_faults import Reason
from broker.tokens import Flaw, Kind

_log = logging.getLogger("broker.events")


class Observers:
    """Implements :class:`broker.observer.Observer` by telling several of them, in their order.

    One that raises harms neither the others nor what is being told of.
    """

    def __init__(self, *observers: Observer) -> None:
        self._observers: list[Any] = [_Guarded(observer) for observer in observers]

    def redeemed(self, organization: str, kind: Kind, seconds: float) -> None:
        """Tell that Canvas gave a token pair."""
        for observer in self._observers:
            observer.redeemed(organization, kind, seconds)

    def committed(self, organization: str, generation: int) -> None:
        """Tell that a token pair became the record."""
        for observer in self._observers:
            observer.committed(organization, generation)

    def flawed(self, organization: str, flaw: Flaw, *, known: bool) -> None:
        """Tell of a flaw beside a good access token."""
        for observer in self._observers:
            observer.flawed(organization, flaw, known=known)

    def failed(self, organization: str, kind: Kind, error: UpstreamError, seconds: float) -> None:
        """Tell of a failed upstream call."""
        for observer in self._observers:
            observer.failed(organization, kind, error, seconds)

    def held_back(self, organization: str, kind: Kind, seconds: float) -> None:
        """Tell that the brake holds."""
        for observer in self._observers:
            observer.held_back(organization, kind, seconds)

    def lease_held(self, organization: str, seconds: float) -> None:
        """Tell that a lease does not end."""
        for observer in self._observers:
            observer.lease_held(organization, seconds)

    def reported(self, organization: str, status: ReportStatus) -> None:
        """Tell what became of a caller's report."""
        for observer in self._observers:
            observer.reported(organization, status)

    def waited(self, organization: str, seconds: float) -> None:
        """Tell that a request waited."""
        for observer in self._observers:
            observer.waited(organization, seconds)

    def turned_away(self, organization: str) -> None:
        """Tell that a request found no place to wait."""
        for observer in self._observers:
            observer.turned_away(organization)

    def store_failed(self, organization: str, reason: Reason) -> None:
        """Tell why Redis failed."""
        for observer in self._observers:
            observer.store_failed(organization, reason)

    def store_recovered(self, organization: str) -> None:
        """Tell that Redis works again."""
        for observer in self._observers:
            observer.store_recovered(organization)

    def store_damaged(self, organization: str, damage: Damage) -> None:
        """Tell what was found in Redis and removed."""
        for observer in self._observers:
            observer.store_damaged(organization, damage)

    def feed_up(self) -> None:
        """Tell that changes made elsewhere are heard."""
        for observer in self._observers:
            observer.feed_up()

    def feed_down(self, reason: Reason) -> None:
        """Tell why they are not."""
        for observer in self._observers:
            observer.feed_down(reason)

    def crashed(self, organization: str, error: BaseException) -> None:
        """Tell of a defect."""
        for observer in self._observers:
            observer.crashed(organization, error)


class _Guarded:
    """An observer whose methods do not raise."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def __getattr__(self, name: str) -> Callable[..., None]:
        tell: Callable[..., None] = getattr(self._observer, name)

        def guarded(*event: object, **more: object) -> None:
            try:
                tell(*event, **more)
            except Exception as error:  # noqa: BLE001  # whatever it was, the token matters more
                extra = {"observer": type(self._observer).__name__, "error": type(error).__name__}
                _log.error("observer.crashed", extra=extra)

        return guarded
