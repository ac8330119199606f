"""gunicorn's worker for events, with our ports: what is whose, and how it ends."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn import __version__
from gunicorn.config import Config

from broker.web.app import MANAGEMENT, edge
from broker.web.edge import EdgeApp
from broker.web.endpoints import Port
from broker.web.event_worker import EventWorker
from tests.integration.wire import Wire
from tests.web.rig import Rig as Edge

pytestmark = pytest.mark.sockets

LIVE = b"GET /health/live HTTP/1.1\r\nHost: b\r\n\r\n"


def test_the_version() -> None:
    """Another one may have other names: look at the parser and the worker before it is taken."""
    assert __version__ == "27.0.1"


def _config(*bind: str, threads: int) -> Config:
    cfg = Config()
    cfg.set("bind", list(bind))
    cfg.set("threads", threads)
    cfg.set("graceful_timeout", 5)
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
        for listener in self.listeners:
            listener.setblocking(False)  # the name says what is false
        bind = [f"127.0.0.1:{one.getsockname()[1]}" for one in self.listeners]
        served: Any = SimpleNamespace(wsgi=lambda: self.app)
        log: Any = logging.getLogger()
        listeners: Any = list(self.listeners)
        self.worker = EventWorker(
            0, os.getppid(), listeners, served, 30, _config(*bind, threads=7), log
        )
        self.worker.loop = asyncio.new_event_loop()
        self.worker.management = _config(bind[2], threads=3)

    def number(self, listener: int) -> int:
        """Return the port of a listener."""
        name: tuple[str, int] = self.listeners[listener].getsockname()
        return name[1]

    def serve(self, during: Any) -> None:
        """Serve while ``during`` runs on a thread; it ends the worker."""

        async def both() -> None:
            serving = asyncio.ensure_future(self.worker.serve())
            await asyncio.to_thread(during)
            self.worker.handle_exit(signal.SIGTERM, None)
            await serving

        self.worker.loop.run_until_complete(both())

    def close(self) -> None:
        """Close what is open."""
        for port in self.worker.ports:
            port.close()
        self.worker.loop.run_until_complete(asyncio.sleep(0))
        self.worker.loop.close()
        for listener in self.listeners:
            listener.close()
        self.worker.tmp.close()


@pytest.fixture
def rig() -> Iterator[Rig]:
    """Make one."""
    rig = Rig()
    yield rig
    rig.close()


def test_each_port_has_its_listeners_and_its_paths(rig: Rig) -> None:
    """The last are the management port's."""
    rig.worker.load_wsgi()
    found: list[list[int]] = []

    def ask() -> None:
        for number in range(3):
            found.append([])
            for path in (b"/health/live", b"/metrics", b"/nowhere"):
                with Wire(rig.number(number)) as wire:
                    answer = wire.send(LIVE.replace(b"/health/live", path)).answer()
                    found[-1].append(answer.status)

    rig.serve(ask)
    assert found == [[200, 404, 404], [200, 404, 404], [200, 200, 404]]


def test_inherited_listeners_that_are_too_few(rig: Rig) -> None:
    """They are the callers': what is for operators answers nowhere then."""
    rig.worker.sockets = rig.worker.sockets[:2]
    rig.worker.load_wsgi()
    assert [len(port._listeners) for port in rig.worker.ports] == [2, 0]


def test_a_stop(rig: Rig) -> None:
    """Kept connections end in order on both ports, and nobody is let in any more."""
    rig.worker.load_wsgi()
    wires: list[Wire] = []

    def ask() -> None:
        for number in (0, 2):
            wires.append(Wire(rig.number(number)))
            assert wires[-1].send(LIVE).answer().status == 200

    rig.serve(ask)
    for wire in wires:
        with wire:
            assert wire.socket.recv(1) == b""
    assert not any(port.connections for port in rig.worker.ports)


def test_what_cannot_be_finished_is_cut(rig: Rig) -> None:
    """By SIGQUIT at once, else when the time to stop is over."""
    rig.worker.load_wsgi()
    wires: list[Wire] = []

    def ask() -> None:
        wires.append(Wire(rig.number(0)).send(LIVE[:-2]))
        rig.worker.handle_quit(signal.SIGQUIT, None)

    rig.serve(ask)
    rig.worker.ports[0].close()
    rig.worker.loop.run_until_complete(asyncio.sleep(0))
    with wires[0] as wire:
        assert wire.is_closed()


def test_a_worker_without_a_master_stops(rig: Rig) -> None:
    """It would serve with old files for ever."""
    rig.worker.ppid = 1
    rig.worker.load_wsgi()
    rig.worker.loop.run_until_complete(rig.worker.serve())
    assert not rig.worker.alive


@pytest.mark.parametrize(
    ("number", "hurried"),
    [(signal.SIGTERM, False), (signal.SIGQUIT, True), (signal.SIGINT, True)],
)
def test_a_signal_ends_it_and_interrupts_no_request(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, *, hurried: bool
) -> None:
    """A handler says no more than that it is to end."""
    before: dict[int, Any] = {one: signal.getsignal(one) for one in rig.worker.SIGNALS}
    rig.worker.load_wsgi()
    pipe = os.pipe()
    os.set_blocking(pipe[1], False)  # signals are noted there, and must not wait
    monkeypatch.setattr(rig.worker, "PIPE", pipe)
    try:
        rig.worker.init_signals()
        rig.worker.loop.call_soon(os.kill, os.getpid(), number)
        rig.worker.loop.run_until_complete(rig.worker.serve())
        assert (rig.worker.alive, rig.worker.hurried) == (False, hurried)
    finally:
        signal.set_wakeup_fd(-1)
        for one, handler in before.items():
            signal.signal(one, handler)
        for end in pipe:
            os.close(end)


def test_a_defect_in_the_loop_is_told_by_its_class(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    """Its message and its traceback may hold anything."""
    rig.worker.load_wsgi()

    def fail() -> None:
        raise RuntimeError("a secret")

    rig.worker.loop.call_soon(fail)
    rig.serve(lambda: None)
    (record,) = [one for one in caplog.records if one.message == "request.crashed"]
    assert vars(record)["error"] == "RuntimeError"
    assert "secret" not in caplog.text
