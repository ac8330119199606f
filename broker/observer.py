"""What the policy tells of what it does, as a Protocol; logs, metrics and traces implement it."""

from typing import Protocol

from broker.errors import UpstreamError
from broker.ports import ReportStatus
from broker.store_damage import Damage
from broker.store_faults import Reason
from broker.tokens import Flaw, Kind


class Observer(Protocol):
    """Learns what the policy does, for logs and metrics; must not raise, block or keep secrets."""

    def redeemed(self, organization: str, kind: Kind, seconds: float) -> None:
        """Note that Canvas gave a token pair, after ``seconds`` of upstream work."""

    def committed(self, organization: str, generation: int) -> None:
        """Note that a token pair became the record."""

    def flawed(self, organization: str, flaw: Flaw, *, known: bool) -> None:
        """Note a flaw beside a good access token; ``known``: the answer before had it, too."""

    def failed(self, organization: str, kind: Kind, error: UpstreamError, seconds: float) -> None:
        """Note that an upstream call failed after ``seconds``."""

    def held_back(self, organization: str, kind: Kind, seconds: float) -> None:
        """Note that the brake lets no call of this kind be made before so many seconds."""

    def reported(self, organization: str, status: ReportStatus) -> None:
        """Note what became of a caller's report that Canvas refused a token."""

    def waited(self, organization: str, seconds: float) -> None:
        """Note that a request waited for a refresh in flight."""

    def turned_away(self, organization: str) -> None:
        """Note that a request found no place to wait for a refresh."""

    def lease_held(self, organization: str, seconds: float) -> None:
        """Note that others have held the lease for so long, which is more than one lives."""

    def store_failed(self, organization: str, reason: Reason) -> None:
        """Note that Redis did not answer, or not as it should."""

    def store_recovered(self, organization: str) -> None:
        """Note that Redis works again for this organization."""

    def store_damaged(self, organization: str, damage: Damage) -> None:
        """Note what was found in Redis that no broker writes; it is removed."""

    def feed_up(self) -> None:
        """Note that changes made elsewhere are told here from now on."""

    def feed_down(self, reason: Reason) -> None:
        """Note that they are not, or not any more."""

    def crashed(self, organization: str, error: BaseException) -> None:
        """Note an exception that nobody foresaw and that the policy survived."""
