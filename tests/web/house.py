"""A service around a rig, with the files behind it, and ways to hear of it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from broker.audit.log import AuditLog
from broker.clock import SystemClock
from broker.metrics.meters import Meters
from broker.policy.refresher import Refresher
from broker.settings import Inputs, load, load_inputs
from broker.store.connect import connect
from broker.threads import ThreadRuntime
from broker.web.service import Parts, Service
from tests.fakes import Notes
from tests.web.rig import Rig

PATIENCE = 10.0


class House:
    """A service around a rig, with the files behind it."""

    def __init__(self, environ: dict[str, str], root: Path, audit: AuditLog | None = None) -> None:
        settings = load({**environ, "BROKER_RELOAD_INTERVAL": "0.01"})
        self.root = root
        self.rig = Rig()
        self.inputs: Inputs = load_inputs(settings)
        self.notes = Notes()
        refresher = Refresher(self.rig.broker, SystemClock(), self.notes)
        self.runtime = ThreadRuntime()
        self.meters = Meters()
        self.redis = connect("redis://127.0.0.1:1", settings.limits)
        parts = Parts(
            broker=self.rig.broker,
            refresher=refresher,
            runtime=self.runtime,
            audit=audit or AuditLog(None, SystemClock()),
            meters=self.meters,
            clock=SystemClock(),
            redis=self.redis,
        )
        self.service = Service(parts, self.inputs, settings)

    def version(self, organization: str = "acme") -> str:
        """Return which credentials are in force."""
        by_name = {o.organization: o.credential_version for o in self.rig.broker.health()}
        return by_name[organization]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start the service, and stop it in any case."""
        self.service.start()
        try:
            yield
        finally:
            self.service.stop()


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, dict[str, Any]]]:
    """Return level, event and what goes with it of each line of the service."""
    names = ("what", "problems", "error", "finished")
    return [
        (r.levelname, r.message, {name: vars(r)[name] for name in names if name in vars(r)})
        for r in caplog.records
        if r.name == "broker.web.service"
    ]


def wait_for(true: Callable[[], bool]) -> None:
    """Wait until a thread has done its work, within bounds."""
    until = SystemClock().monotonic() + PATIENCE
    while not true():
        assert SystemClock().monotonic() < until
        threading.Event().wait(0.005)


def threads() -> set[str]:
    """Return the names of the service's threads that live."""
    return {t.name for t in threading.enumerate()} & {"refresher", "reloader"}
