"""Everything that runs in one worker besides the requests: the refresher and the reloading."""

import atexit
import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from broker.audit.log import AuditLog
from broker.clock import Clock
from broker.kubernetes.service_accounts import ServiceAccounts
from broker.metrics import directory
from broker.metrics.meters import Meters
from broker.pod.readiness import Readiness
from broker.pod.siblings import Siblings
from broker.pod.snapshot import (
    FilesReport,
    OrganizationHistory,
    Pod,
    WorkerHistories,
    WorkerSnapshot,
)
from broker.pod.state import PodState
from broker.policy.broker import Broker
from broker.policy.history import Event
from broker.policy.refresher import Refresher
from broker.settings import Inputs, Settings
from broker.store.bounded import BoundedClient
from broker.store.feed import Subscription
from broker.threads import ThreadRuntime
from broker.tracing import Spans
from broker.web.runtime import RuntimeFolder

COMMIT_RESERVE = 5.0
"""Seconds beyond the upstream deadline that a stopping worker gives to a last commit."""
AUDIT_RESERVE = 1.0
"""Seconds that a stopping worker gives to the last lines of the audit."""
KEYS_INTERVAL = 300.0
"""Seconds between two fetches of the cluster's keys."""
KEYS_RETRY = 10.0
"""Seconds until a failed fetch is repeated."""
CONNECTIONS_INTERVAL = 10.0
"""Seconds between two looks for connections to Redis that nobody uses."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application factory has made for one worker."""

    broker: Broker
    refresher: Refresher
    runtime: ThreadRuntime
    audit: AuditLog
    meters: Meters
    clock: Clock
    redis: BoundedClient
    accounts: ServiceAccounts | None = None
    subscription: Subscription | None = None
    spans: Spans | None = None
    folder: RuntimeFolder | None = None
    state: PodState = field(default_factory=lambda: PodState(1))


class Service:
    """The parts of one worker; made by the application factory, started after the fork."""

    def __init__(self, parts: Parts, inputs: Inputs, settings: Settings) -> None:
        self._parts = parts
        self._inputs = inputs
        self._settings = settings
        self._born = parts.clock.monotonic()
        self._taken: dict[str, float] = {}
        self._unused: set[str] = set()
        self._configured: object = None
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        sockets = parts.folder.sockets if parts.folder else None
        self.readiness = Readiness(parts.state, parts.broker.ability)
        self._siblings = Siblings(
            sockets, settings.workers, self.snapshot, self._own_histories, parts.clock
        )

    def start(self) -> None:
        """Load the organizations and start the threads; returns at once."""
        self.reload()
        # At exit request threads are joined first: one may have outlived stop().
        atexit.register(self._parts.audit.flush, AUDIT_RESERVE)
        self._siblings.start()
        refresh = partial(self._parts.refresher.run, self._keep_up)
        jobs: dict[str, Callable[[], object]]
        jobs = {
            "refresher": refresh,
            "reloader": self._keep_reloading,
            "redis-unused": self._keep_few_connections,
        }
        if self._parts.subscription is not None:
            jobs["feed"] = self._parts.subscription.run
        if self._parts.accounts is not None:
            jobs["cluster-keys"] = self._keep_fetching_keys
        for name, work in jobs.items():
            thread = threading.Thread(target=work, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Start nothing new; let flights end and commits land, within bounds."""
        self._stopped.set()
        self._parts.refresher.stop()
        if self._parts.subscription is not None:
            self._parts.subscription.stop()
        finished = self._parts.broker.finish(self._settings.limits.deadline + COMMIT_RESERVE)
        self._parts.runtime.close()
        for thread in self._threads:
            thread.join(1.0)
        self._siblings.stop()
        self._parts.audit.flush(AUDIT_RESERVE)
        if self._parts.spans is not None:
            self._parts.spans.flush()
        _log.info("service.stopped", extra={"finished": finished})

    def gather(self) -> Pod:
        """Return the pod as it is now; see :meth:`~broker.pod.siblings.Siblings.gather`."""
        return self._siblings.gather()

    def histories(self, names: Sequence[str]) -> dict[str, tuple[Event, ...]]:
        """Return what happened last; see :meth:`~broker.pod.siblings.Siblings.histories`."""
        return self._siblings.histories(names)

    def is_ready(self) -> bool:
        """Tell whether the pod is ready; asks nobody."""
        return self.readiness.is_ready()

    def _keep_up(self) -> None:
        self.readiness.tell()
        self._siblings.forget()

    def _own_histories(self, names: Sequence[str]) -> WorkerHistories:
        known = self._parts.broker.histories(names).items()
        return WorkerHistories(os.getpid(), tuple(OrganizationHistory(*one) for one in known))

    def snapshot(self) -> WorkerSnapshot:
        """Return what this worker knows now."""
        places = self._parts.broker.places
        return WorkerSnapshot(
            pid=os.getpid(),
            uptime=self._parts.clock.monotonic() - self._born,
            organizations=tuple(self._parts.broker.health()),
            files=tuple(self._files()),
            waiting=places.taken,
            places=places.limit,
            redis_set_up=self._parts.redis.set_up_times.shortest(),
            redis_wait=self._settings.limits.redis_connection_wait,
            counted=directory.has_room(),
            feed=self._parts.broker.changes.told,
        )

    def reload(self) -> None:
        """Look at the files once; a refused version is told and the old one stays in use."""
        for what, watched in self._inputs.watched():
            polled = watched.poll()
            if polled.problems:
                _log.error("files.refused", extra={"what": what, "problems": polled.problems})
                self._parts.meters.reloaded(what, "refused")
            if polled.reloaded:
                self._unused.add(what)
            if what == "credentials":
                self._configure()
            self._note_use(what)

    def _configure(self) -> None:
        credentials = self._inputs.credentials.current
        if credentials is not self._configured:
            self._parts.broker.configure(credentials)
            # Only now: a version that the broker could not take over is tried again.
            self._configured = credentials

    def _note_use(self, what: str) -> None:
        """Tell and count a new version, now that it is in use."""
        if what in self._unused or what not in self._taken:
            self._taken[what] = self._parts.clock.wall()
        if what in self._unused:
            self._unused.remove(what)
            _log.info("files.reloaded", extra={"what": what})
            self._parts.meters.reloaded(what, "success")

    def _files(self) -> list[FilesReport]:
        now = self._parts.clock.wall()
        return [
            FilesReport(what, one.problems, self._taken.get(what, now))
            for what, one in self._inputs.watched()
        ]

    def _keep_reloading(self) -> None:
        self._keep(self.reload, lambda: self._settings.reload_interval)

    def _keep_few_connections(self) -> None:
        self._keep(self._parts.redis.close_unused, lambda: CONNECTIONS_INTERVAL)

    def _keep_fetching_keys(self) -> None:
        assert self._parts.accounts is not None  # noqa: S101  # for the type checker: see start
        keys = self._parts.accounts.keys
        keys.refresh()
        self._keep(keys.refresh, lambda: KEYS_RETRY if keys.failure else KEYS_INTERVAL)

    def _keep(self, work: Callable[[], object], interval: Callable[[], float]) -> None:
        while not self._stopped.wait(interval()):
            try:
                work()
            except Exception as error:  # noqa: BLE001  # the old files stay in force
                # Not the traceback: it may hold secrets.
                _log.error("reload.crashed", extra={"error": type(error).__name__})
