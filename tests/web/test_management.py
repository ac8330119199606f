"""Two workers in one process: what is whose, and that they end together."""

import logging
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import ThreadWorker

from broker.web.app import MANAGEMENT, edge
from broker.web.edge import EdgeApp
from broker.web.endpoints import Port
from broker.web.management import TwoPortWorker
from broker.web.worker import BrokerWorker
from tests.web.rig import Rig as Edge

LIMIT = 10.0


def _config(*bind: str, threads: int) -> Config:
    cfg = Config()
    cfg.set("bind", list(bind))
    cfg.set("threads", threads)
    return cfg


class Rig:
    """A worker with two addresses of callers and one of operators; it has not begun."""

    def __init__(self) -> None:
        around = Edge("acme")
        self.app, operators = (
            edge(around.desk, around, around.meters, app=EdgeApp(ports=frozenset({port})))
            for port in (Port.CALLERS, Port.MANAGEMENT)
        )
        self.app.extensions[MANAGEMENT] = operators
        self.listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        bind = [f"127.0.0.1:{one.getsockname()[1]}" for one in self.listeners]
        cfg, served = _config(*bind, threads=7), SimpleNamespace(wsgi=lambda: self.app)
        log = logging.getLogger()
        self.worker = TwoPortWorker(0, 0, [*self.listeners], served, 30, cfg, log)
        self.worker.management = _config(bind[2], threads=3)
        self.worker.load_wsgi()

    @property
    def both(self) -> tuple[BrokerWorker, BrokerWorker]:
        """Return both workers."""
        assert self.worker.operators is not None
        return self.worker, self.worker.operators

    def close(self) -> None:
        """Close what is open."""
        for listener in self.listeners:
            listener.close()
        self.worker.tmp.close()
        self.close_operators()

    def close_operators(self) -> None:
        """Close what the second worker has open."""
        _, operators = self.both
        operators.tmp.close()
        operators.poller.close()
        operators.method_queue.close()


@pytest.fixture
def rig() -> Iterator[Rig]:
    """Make one."""
    rig = Rig()
    yield rig
    rig.close()


@pytest.mark.sockets
class TestWorkers:
    def test_each_has_its_listeners(self, rig: Rig) -> None:
        """The last are the management port's."""
        callers, operators = rig.both
        assert callers.sockets == rig.listeners[:2]
        assert operators.sockets == rig.listeners[2:]

    def test_inherited_listeners_that_are_too_few(self, rig: Rig) -> None:
        """They are the callers': what is for operators answers nowhere then."""
        rig.worker.sockets = rig.listeners[:2]
        rig.close_operators()
        rig.worker.load_wsgi()
        callers, operators = rig.both
        assert (callers.sockets, operators.sockets) == (rig.listeners[:2], [])

    def test_each_has_its_application_and_threads(self, rig: Rig) -> None:
        """No thread and no answer of one is the other's."""
        callers, operators = rig.both
        assert [callers.wsgi, operators.wsgi] == [rig.app, rig.app.extensions[MANAGEMENT]]
        assert (callers.cfg.threads, operators.cfg.threads) == (7, 3)
        assert callers.malformed is not operators.malformed

    def test_the_signal_to_stop_is_for_both(self, rig: Rig) -> None:
        """Each is woken."""
        rig.worker.method_queue.init()
        rig.worker.handle_exit(15, None)
        assert [worker.alive for worker in rig.both] == [False, False]
        rig.worker.method_queue.close()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Play gunicorn's main loop: it waits for the worker to be stopped, as far as ``told`` says."""
    told: list[str] = []
    stopped = threading.Event()

    def run(worker: Any) -> None:
        name = "callers" if isinstance(worker, TwoPortWorker) else "operators"
        told.append(f"{name} begin")
        if name == "operators" and "fail" in told:
            return
        assert stopped.wait(LIMIT)
        told.append(f"{name} end")

    def stop(worker: Any, *_: object) -> None:
        worker.alive = False
        stopped.set()

    monkeypatch.setattr(ThreadWorker, "run", run)
    monkeypatch.setattr(ThreadWorker, "handle_exit", stop)
    return told


@pytest.mark.sockets
def test_they_end_together(rig: Rig, told: list[str]) -> None:
    """Who stops one waits for what the other still answers; meanwhile both do as the pod wants."""
    rig.worker.may_accept = lambda: False
    rig.worker.is_draining = lambda: True
    timer = threading.Timer(0, rig.worker.handle_exit, (15, None))
    timer.start()
    rig.worker.run()
    timer.join()
    assert sorted(told) == ["callers begin", "callers end", "operators begin", "operators end"]
    for worker in rig.both:
        assert not worker.may_accept()
        assert worker.max_keepalived == 0


@pytest.mark.sockets
def test_a_signal_while_the_applications_are_loaded(rig: Rig, told: list[str]) -> None:
    """There is no second worker yet to tell; both end as soon as they begin."""
    rig.close_operators()
    rig.worker.operators = None
    rig.worker.handle_exit(15, None)
    rig.worker.load_wsgi()
    rig.worker.run()
    assert [worker.alive for worker in rig.both] == [False, False]
    assert "operators end" in told


@pytest.mark.sockets
def test_no_worker_goes_on_without_its_management_port(rig: Rig, told: list[str]) -> None:
    """It ends, and the master starts another one."""
    told.append("fail")
    rig.worker.run()
    assert not rig.worker.alive
    assert "callers end" in told
