"""What the policy tells of what it does, as values; logs, metrics and traces handle them."""

from typing import NamedTuple, Protocol

from broker.errors import UpstreamError
from broker.ports import ReportStatus
from broker.store_damage import Damage
from broker.store_faults import Reason
from broker.tokens import Flaw, Kind


class CallSucceeded(NamedTuple):
    """Canvas gave a token pair, after ``seconds`` of upstream work."""

    organization: str
    kind: Kind
    seconds: float


class CallFailed(NamedTuple):
    """An upstream call failed after ``seconds``."""

    organization: str
    kind: Kind
    error: UpstreamError
    seconds: float


class HeldBack(NamedTuple):
    """The brake lets no call of this kind be made before so many seconds."""

    organization: str
    kind: Kind
    seconds: float


class AnswerFlawed(NamedTuple):
    """There is a flaw beside a good access token; ``known``: the answer before had it, too."""

    organization: str
    flaw: Flaw
    known: bool


class TokenCommitted(NamedTuple):
    """A token pair became the record."""

    organization: str
    generation: int


class TokenReported(NamedTuple):
    """A caller reported that Canvas refused a token; ``status`` is what became of it."""

    organization: str
    status: ReportStatus


class Waited(NamedTuple):
    """A request waited for a refresh in flight."""

    organization: str
    seconds: float


class WaitRefused(NamedTuple):
    """A request found no place to wait for a refresh."""

    organization: str


class LeaseHeld(NamedTuple):
    """Others have held the lease for so long, which is more than one lives."""

    organization: str
    seconds: float


class StoreFailed(NamedTuple):
    """Redis did not answer, or not as it should."""

    organization: str
    reason: Reason


class StoreRecovered(NamedTuple):
    """Redis works again for this organization."""

    organization: str


class StoreDamaged(NamedTuple):
    """Something was found in Redis that no broker writes; it is removed."""

    organization: str
    damage: Damage


class FeedUp(NamedTuple):
    """Changes made elsewhere are told here from now on."""


class FeedDown(NamedTuple):
    """They are not, or not any more."""

    reason: Reason


class Crashed(NamedTuple):
    """The policy survived an exception that nobody foresaw."""

    organization: str
    error: BaseException


Event = (
    CallSucceeded
    | CallFailed
    | HeldBack
    | AnswerFlawed
    | TokenCommitted
    | TokenReported
    | Waited
    | WaitRefused
    | LeaseHeld
    | StoreFailed
    | StoreRecovered
    | StoreDamaged
    | FeedUp
    | FeedDown
    | Crashed
)


class Observer(Protocol):
    """Learns what the policy does, for logs and metrics."""

    def handle(self, event: Event) -> None:
        """Learn of an event; must not raise, block or keep secrets."""
