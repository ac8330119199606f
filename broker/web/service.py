"""Everything that runs in one worker besides the requests: the refresher and the reloading."""

import logging
import threading

from broker.files.watch import Polled
from broker.policy.answers import OrganizationHealth
from broker.policy.broker import Broker
from broker.policy.refresher import Refresher
from broker.settings import Inputs, Settings
from broker.threads import ThreadRuntime

COMMIT_RESERVE = 5.0
"""Seconds beyond the upstream deadline that a stopping worker gives to a last commit."""
_log = logging.getLogger(__name__)


class Service:
    """The parts of one worker; made by the application factory, started after the fork."""

    def __init__(
        self,
        broker: Broker,
        refresher: Refresher,
        runtime: ThreadRuntime,
        inputs: Inputs,
        settings: Settings,
    ) -> None:
        self.broker = broker
        self._refresher = refresher
        self._runtime = runtime
        self._inputs = inputs
        self._settings = settings
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Load the organizations and start the threads; returns at once."""
        self.reload()
        for name, work in (("refresher", self._refresher.run), ("reloader", self._keep_reloading)):
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
        _log.info("service.stopped", extra={"finished": finished})

    def report(self) -> tuple[list[OrganizationHealth], list[str]]:
        """Return what ``/health`` tells: the organizations, and what is wrong with the files."""
        problems = list(self._inputs.credentials.problems)
        if self._inputs.callers is not None:
            problems.extend(self._inputs.callers.problems)
        return self.broker.health(), problems

    def reload(self) -> None:
        """Look at the files once; a refused version is told and leaves the old one in force."""
        _tell("credentials", self._inputs.credentials.poll())
        # At each look: a version that the broker could not take over last time is not lost.
        self.broker.configure(self._inputs.credentials.current)
        if self._inputs.callers is not None:
            _tell("callers", self._inputs.callers.poll())

    def _keep_reloading(self) -> None:
        while not self._stopped.wait(self._settings.reload_interval):
            try:
                self.reload()
            except Exception as error:  # noqa: BLE001  # the old files stay in force
                # Not the traceback: it may hold secrets.
                _log.error("reload.crashed", extra={"error": type(error).__name__})


def _tell(what: str, polled: Polled) -> None:
    if polled.reloaded:
        _log.info("files.reloaded", extra={"what": what})
    if polled.problems:
        _log.error("files.refused", extra={"what": what, "problems": polled.problems})
