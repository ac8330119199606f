"""The Canvas client and the retry policy: the only code that ever sees an upstream URL."""

from broker.failure_kinds import FailureKind
from broker.upstream.client import CanvasClient
from broker.upstream.retry import LeaseRetry

__all__ = ["CanvasClient", "FailureKind", "LeaseRetry"]
