"""Faults of the brokers' processes: killed, stopped, ended, on hosts with wrong clocks."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from tests.chaos import wrong_clock
from tests.chaos.faults import Fault
from tests.chaos.judge import Harm
from tests.chaos.stage import LEASE, LIFETIME, Stage
from tests.integration.deployment import SERVE, BrokerProcess, Reply
from tests.integration.stalled import StalledPipe

TEN_MINUTES = 600
SUCCESSION = LEASE + 1.5
"""After so many seconds a successor has the lease of a dead holder."""
COMMITTED = 3.0
"""Less than what is left of the lease: only the commit of the one that ended can be the source."""
STALLED = LIFETIME + 40
GRACEFUL = 25
"""The default of BROKER_GRACEFUL_TIMEOUT."""
SCRIPT = Path(wrong_clock.__file__)


def kill_holder_before(stage: Stage) -> None:
    """``kill -9`` of the lease's holder while Canvas has its request."""
    with stage.refresh_held("before") as (_, worker):
        os.kill(worker, signal.SIGKILL)
    time.sleep(SUCCESSION)


def kill_holder_after(stage: Stage) -> None:
    """``kill -9`` of the lease's holder when Canvas's answer lies before it unread."""
    with stage.refresh_held("after") as (_, worker):
        os.kill(worker, signal.SIGSTOP)
    while stage.emulator.stats()["in_flight"]:
        time.sleep(0.01)
    os.kill(worker, signal.SIGKILL)
    time.sleep(SUCCESSION)


def kill_broker(stage: Stage) -> None:
    """``kill -9`` of a broker with all its workers, one of them the holder; started again."""
    with stage.refresh_held("before") as (broker, _):
        broker.kill()
    time.sleep(1)
    start(stage, broker)
    time.sleep(SUCCESSION)


def stop_holder(stage: Stage) -> None:
    """SIGSTOP of the lease's holder for longer than the lease, then SIGCONT."""
    with stage.refresh_held("before") as (_, worker):
        os.kill(worker, signal.SIGSTOP)
    try:
        time.sleep(SUCCESSION)
    finally:
        os.kill(worker, signal.SIGCONT)
    time.sleep(2)


def terminate_holder(stage: Stage) -> None:
    """SIGTERM of a broker whose refresh is in flight: it ends with 0 and still commits."""
    with stage.refresh_held("after") as (broker, _):
        release = threading.Timer(0.4, stage.emulator.release)
        release.start()
        code = broker.terminate()
        release.join()
    start(stage, broker)
    assert code == 0, f"a broker ended with {code} after SIGTERM"
    for number in range(len(stage.deployment.brokers)):
        stage.wait_for_newer(number, COMMITTED)


def wrong_clocks(stage: Stage) -> None:
    """One broker's clock ten minutes ahead, the other's behind; each refreshes."""
    _set_clocks(stage)
    try:
        for number in range(len(stage.deployment.brokers)):
            stage.cause_refresh(number)
            stage.wait_for_newer(number, LEASE)
        _wait_for_skew(stage)
        time.sleep(2)
    finally:
        _set_clocks(stage, right=True)


def outlive_the_token(stage: Stage) -> None:
    """Canvas away until the last token is dead, clocks wrong by ten minutes both ways."""
    _set_clocks(stage)
    try:
        stage.emulator.fault(status=500, times=None)
        time.sleep(LIFETIME + 4)
        stage.heal_canvas()
    finally:
        _set_clocks(stage, right=True)


def stall_output(stage: Stage) -> None:
    """Nobody reads one broker's output, for longer than a token lives; a worker of it dies."""
    broker = stage.deployment.brokers[0]
    broker.terminate()
    with StalledPipe() as pipe:
        broker.output = pipe.writing
        try:
            start(stage, broker)
            time.sleep(STALLED / 2)
            _kill_a_worker(broker)
            time.sleep(STALLED / 2)
            began = time.monotonic()
            code, seconds = broker.terminate(), time.monotonic() - began
        finally:
            broker.output = None
            broker.kill()
            start(stage, broker)
    assert code == 0, f"a broker with a full pipe ended with {code} after SIGTERM"
    assert seconds < GRACEFUL, f"a broker with a full pipe took {seconds:.0f} s to end"


def _kill_a_worker(broker: BrokerProcess) -> None:
    before = broker.workers()
    os.kill(before[0], signal.SIGKILL)
    until = time.monotonic() + LEASE
    while len(set(broker.workers()) - {before[0]}) < len(before):
        assert time.monotonic() < until, "a killed worker of a broker with a full pipe is missing"
        time.sleep(0.1)


def _set_clocks(stage: Stage, *, right: bool = False) -> None:
    for sign, broker in zip((1, -1), stage.deployment.brokers, strict=True):
        broker.terminate()
        shifted = (sys.executable, "-P", str(SCRIPT), str(sign * TEN_MINUTES), "serve")
        broker.command = SERVE if right else shifted
        start(stage, broker)


def _wait_for_skew(stage: Stage) -> None:
    """Wait until health tells of a wrong clock: on whichever host the refresh was made."""
    until = time.monotonic() + LEASE
    while time.monotonic() < until:
        if any(_is_skewed(broker.get("/health")) for broker in stage.deployment.brokers):
            return
        time.sleep(0.1)
    raise AssertionError("no worker has measured its host's clock against Canvas's")


def _is_skewed(reply: Reply) -> bool:
    """Tell whether the worker that answered has measured its host's clock against Canvas's."""
    (token,) = reply.body["checks"]["organization:token"]
    skewed: bool = abs(token["clock_skew"] or 0) > TEN_MINUTES - 10
    return skewed


def start(stage: Stage, broker: BrokerProcess) -> None:
    """Start a broker and wait until it answers."""
    broker.start().wait_for("/token", lambda reply: reply.status > 0, stage.deployment.key)


FAULTS = (
    Fault("kill -9 of the holder, call sent", kill_holder_before, Harm.DEATH),
    Fault("kill -9 of the holder, call answered", kill_holder_after, Harm.DEATH),
    Fault("kill -9 of a whole broker", kill_broker, Harm.DEATH),
    Fault("SIGSTOP beyond the lease, SIGCONT", stop_holder, Harm.STOP),
    Fault("SIGTERM, refresh in flight", terminate_holder, Harm.DEATH),
    Fault("stdout stalled", stall_output, Harm.DEATH),
    Fault("host clocks wrong by ±10 min", wrong_clocks, Harm.DEATH),
    Fault("the same, Canvas away past expiry", outlive_the_token, Harm.DEATH),
)
