"""The calls of Canvas that the whole fleet shares: a question to Redis and its answer (ADR 50)."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What the whole fleet may do at Canvas: calls in flight, and calls begun in a second."""

    in_flight: int = 100
    per_second: int = 500


@dataclass(frozen=True, slots=True)
class CallsWanted:
    """What one worker tells and wants.

    ``number`` counts its questions, so that a late one counts for nothing. It ``holds`` so many
    permits, and ``wants`` so many more, which leave ``spare`` to others; with -1 they are for
    callers that wait, and go before the parts of other workers. Since the last question it
    ``made`` so many calls; of them Canvas ``refused`` some, and ``extra`` had no permit of their
    own.
    """

    worker: str
    number: int
    holds: int
    wants: int
    spare: int = 0
    made: int = 0
    refused: int = 0
    extra: int = 0


@dataclass(frozen=True, slots=True)
class CallsGranted:
    """So many permits: the ``first`` from so many seconds on, each next one ``interval`` later.

    Asking again is worth it in ``wait`` seconds. ``part`` is what this worker may hold by right.
    """

    permits: int
    first: float = 0.0
    interval: float = 0.0
    wait: float = 0.0
    part: int = 1


class FleetCalls(Protocol):
    """What knows how many calls the whole fleet makes."""

    def ask(self, wanted: CallsWanted) -> CallsGranted:
        """Return what is granted; raises :class:`~broker.errors.StoreUnavailableError`."""
