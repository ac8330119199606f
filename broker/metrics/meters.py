"""The only way to count and to measure: one method for each thing that happens."""

from collections import Counter
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family

from broker.metrics import directory
from broker.metrics.by_organization import OrganizationCounter
from broker.metrics.counted import families_of
from broker.metrics.series import Durations, counters, histograms
from broker.metrics.words import SERVED
from broker.policy.brake import HELD_BACK


class Meters:
    """The counters and histograms of one worker; safe on any thread, about 4 µs a request.

    Make one in a process, after the fork: two would write over each other's numbers. A word that
    the catalogue does not know raises :class:`~broker.metrics.series.UndeclaredMetricError` with
    ``strict``, for tests; without, for production, it is counted as ``other``. ``organizations``
    says whether a scrape tells of each of them.
    """

    def __init__(self, *, strict: bool = True, organizations: bool = True) -> None:
        self.organizations = organizations
        directory.reserve()
        self._directory = directory.prepared()
        self._registry = registry = CollectorRegistry()
        self._requests = counters("broker_token_requests_total", registry, strict=strict)
        self._seconds = Durations("broker_token_request_seconds", registry)
        self._degraded = counters("broker_degraded_answers_total", registry, strict=strict)
        self._refreshes = OrganizationCounter(
            "broker_refreshes_total", self._directory, strict=strict
        )
        self._upstream = histograms("broker_upstream_seconds", registry, strict=strict)
        self._flaws = counters("broker_upstream_flaws_total", registry, strict=strict)
        self._waits = histograms("broker_lease_wait_seconds", registry, strict=strict).of()
        self._turned_away = counters("broker_waiters_refused_total", registry, strict=strict).of()
        self._reports = counters("broker_rejection_reports_total", registry, strict=strict)
        self._damage = OrganizationCounter(
            "broker_store_damage_total", self._directory, strict=strict
        )
        self._redis_errors = counters("broker_redis_errors_total", registry, strict=strict)
        self._reloads = counters("broker_reloads_total", registry, strict=strict)
        self._audit_lost = counters("broker_audit_lost_total", registry, strict=strict).of()
        self._log_lost = counters("broker_log_lost_total", registry, strict=strict).of()

    def requests(self, outcome: str, state: str | None, seconds: float) -> None:
        """Count a request for a token: ``served`` or the error code, and the token's state."""
        self._requests.of(outcome, state or "").inc()
        self._seconds.observe([seconds])

    def served(self, states: Sequence[str | None], seconds: Sequence[float]) -> None:
        """Count tokens served, by state and seconds, together: one by one costs five times that."""
        for state, count in Counter(states).items():
            self._requests.of(SERVED, state or "").inc(count)
        self._seconds.observe(seconds)

    def degraded(self, reason: str) -> None:
        """Count a token that was served although no better one can be had, for this reason."""
        self._degraded.of(reason).inc()

    def refresh(self, organization: str, kind: str, outcome: str, seconds: float) -> None:
        """Count an upstream call that ended after ``seconds``."""
        self._refreshes.count(organization, kind, outcome)
        self._upstream.of(kind).observe(seconds)

    def held_back(self, organization: str, kind: str) -> None:
        """Count an upstream call that the brake did not let be made."""
        self._refreshes.count(organization, kind, HELD_BACK)

    def flawed(self, flaw: str) -> None:
        """Count an answer of Canvas with this flaw beside its good access token."""
        self._flaws.of(flaw).inc()

    def waited(self, seconds: float) -> None:
        """Note that a request waited for a refresh in flight."""
        self._waits.observe(seconds)

    def turned_away(self) -> None:
        """Count a request that found no place to wait."""
        self._turned_away.inc()

    def report(self, status: str) -> None:
        """Count a report that Canvas refused a token, by what became of it."""
        self._reports.of(status).inc()

    def redis_failed(self, reason: str) -> None:
        """Count an operation that Redis did not do, by the word for why."""
        self._redis_errors.of(reason).inc()

    def store_damaged(self, organization: str, part: str) -> None:
        """Count what was found in Redis that no broker writes, by the part that it was."""
        self._damage.count(organization, part)

    def reloaded(self, what: str, outcome: str) -> None:
        """Count a new version of the files ``what``: ``success`` or ``refused``."""
        self._reloads.of(what, outcome).inc()

    def audit_lost(self) -> None:
        """Count an audit line that there was no room for."""
        self._audit_lost.inc()

    def log_lost(self) -> None:
        """Count a log line that there was no room for."""
        self._log_lost.inc()

    def collect(self) -> list[Family]:
        """Return what was counted: by all workers since the master's start, or here without it."""
        if self._directory is None:
            counted = self._refreshes, self._damage
            own = [one for each in counted for one in families_of(each.totals, [each.metric])]
            return [*self._registry.collect(), *own]
        return families_of(directory.totals(self._directory))


def master_log_losses() -> Callable[[], None]:
    """Return what counts a log line that the master had no room for.

    To be called in the master, once it has prepared its directory: its numbers stand beside those
    of the workers. Nothing is made at the time of a loss: memory may be short by then.
    """
    directory.reserve()
    return counters("broker_log_lost_total", CollectorRegistry(), strict=False).of().inc
