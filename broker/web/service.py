"""Everything that runs in one worker besides the requests: the refresher and the reloading."""

import logging
import threading
from dataclasses import dataclass

from broker.audit.log import AuditLog
from broker.files.watch import Polled
from broker.kubernetes.service_accounts import ServiceAccounts
from broker.policy.answers import OrganizationHealth
from broker.policy.broker import Broker
from broker.policy.refresher import Refresher
from broker.settings import Inputs, Settings
from broker.threads import ThreadRuntime

COMMIT_RESERVE = 5.0
"""Seconds beyond the upstream deadline that a stopping worker gives to a last commit."""
AUDIT_RESERVE = 1.0
"""Seconds that a stopping worker gives to the last lines of the audit."""
KEYS_INTERVAL = 300.0
"""Seconds between two fetches of the cluster's keys."""
KEYS_RETRY = 10.0
"""Seconds until a failed fetch is repeated."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Background:
    """What works on tokens beside the requests."""

    refresher: Refresher
    runtime: ThreadRuntime


class Service:
    """The parts of one worker; made by the application factory, started after the fork."""

    def __init__(  # noqa: PLR0913, PLR0917  # it starts and stops each of these
        self,
        broker: Broker,
        background: Background,
        audit: AuditLog,
        accounts: ServiceAccounts | None,
        inputs: Inputs,
        settings: Settings,
    ) -> None:
        self.broker = broker
        self._refresher = background.refresher
        self._runtime = background.runtime
        self._audit = audit
        self._accounts = accounts
        self._inputs = inputs
        self._settings = settings
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Load the organizations and start the threads; returns at once."""
        self.reload()
        self._audit.start()
        jobs = {"refresher": self._refresher.run, "reloader": self._keep_reloading}
        if self._accounts is not None:
            jobs["cluster-keys"] = self._keep_fetching_keys
        for name, work in jobs.items():
            thread = threading.Thread(target=work, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Start nothing new; let flights end and commits land, within bounds."""
        self._stopped.set()
        self._refresher.stop()
        finished = self.broker.finish(self._settings.limits.deadline + COMMIT_RESERVE)
        self._runtime.close()
        for thread in self._threads:
            thread.join(1.0)
        self._audit.stop(AUDIT_RESERVE)
        _log.info("service.stopped", extra={"finished": finished})

    def report(self) -> tuple[list[OrganizationHealth], list[str]]:
        """Return what ``/health`` tells: the organizations, and what is wrong with the files."""
        files = (self._inputs.credentials, self._inputs.callers, self._inputs.certificates)
        problems = [problem for one in files if one is not None for problem in one.problems]
        return self.broker.health(), problems

    def reload(self) -> None:
        """Look at the files once; a refused version is told and leaves the old one in force."""
        _tell("credentials", self._inputs.credentials.poll())
        # At each look: a version that the broker could not take over last time is not lost.
        self.broker.configure(self._inputs.credentials.current)
        if self._inputs.callers is not None:
            _tell("callers", self._inputs.callers.poll())
        if self._inputs.certificates is not None:
            _tell("certificates", self._inputs.certificates.poll())

    def _keep_reloading(self) -> None:
        while not self._stopped.wait(self._settings.reload_interval):
            try:
                self.reload()
            except Exception as error:  # noqa: BLE001  # the old files stay in force
                # Not the traceback: it may hold secrets.
                _log.error("reload.crashed", extra={"error": type(error).__name__})

    def _keep_fetching_keys(self) -> None:
        assert self._accounts is not None  # noqa: S101  # for the type checker: see start
        fetched = self._accounts.keys.refresh()
        while not self._stopped.wait(KEYS_INTERVAL if fetched else KEYS_RETRY):
            fetched = self._accounts.keys.refresh()


def _tell(what: str, polled: Polled) -> None:
    if polled.reloaded:
        _log.info("files.reloaded", extra={"what": what})
    if polled.problems:
        _log.error("files.refused", extra={"what": what, "problems": polled.problems})
