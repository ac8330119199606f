"""What the policy does, as log lines. Levels: a warning passes by itself, an error needs a hand."""

import logging

from broker.errors import FailureClass, UpstreamError
from broker.ports import ReportStatus
from broker.tokens import Kind

_log = logging.getLogger("broker.events")


class LogObserver:
    """Implements :class:`broker.ports.Observer` on the ``broker.events`` logger."""

    def redeemed(self, organization: str, kind: Kind, seconds: float) -> None:
        """Log that Canvas gave a token pair."""
        extra = {"organization": organization, "kind": kind, "seconds": round(seconds, 3)}
        _log.info("upstream.answered", extra=extra)

    def committed(self, organization: str, generation: int) -> None:
        """Log that a token pair became the record."""
        extra = {"organization": organization, "generation": generation}
        _log.info("token.refreshed", extra=extra)

    def reported(self, organization: str, status: ReportStatus) -> None:
        """Log nothing: it is counted."""

    def waited(self, organization: str, seconds: float) -> None:
        """Log nothing: it is measured."""

    def failed(self, organization: str, kind: Kind, error: UpstreamError, seconds: float) -> None:
        """Log a failed upstream call; refused keys need a hand."""
        refused = error.failure is FailureClass.REJECTED and kind is Kind.AUTHENTICATE
        extra = {
            "organization": organization,
            "kind": kind,
            "failure": error.failure,
            "error": error.kind,
            "seconds": round(seconds, 3),
        }
        _log.log(logging.ERROR if refused else logging.WARNING, "upstream.failed", extra=extra)

    def store_failed(self, organization: str) -> None:
        """Log that Redis did not answer."""
        _log.warning("store.failed", extra={"organization": organization})

    def crashed(self, organization: str, error: BaseException) -> None:
        """Log a defect; its message may hold anything, so only its class is told."""
        extra = {"organization": organization, "error": type(error).__name__}
        _log.error("refresher.crashed", extra=extra)
