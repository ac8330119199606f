"""The name server falls silent, just when connections to Redis and Canvas are wanted."""

import sys
import tempfile
import time
from pathlib import Path

from tests.chaos import silent_names
from tests.chaos.faults import Fault
from tests.chaos.judge import Harm
from tests.chaos.processes import start
from tests.chaos.stage import LEASE, Stage

SILENCE = 25.0
"""Seconds, more than the system looks a name up for; each of them all connections are closed."""


def no_names(stage: Stage) -> None:
    """No lookup is answered, Redis closes all connections each second, and a refresh is wanted."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "silent"
        for broker in stage.deployment.brokers:
            broker.terminate()
            broker.command = (sys.executable, "-P", silent_names.__file__, str(file), "serve")
            start(stage, broker)
        stage.cause_refresh()
        for number in range(len(stage.deployment.brokers)):
            stage.wait_for_newer(number, LEASE)
        file.touch()
        try:
            _silence(stage)
        finally:
            file.unlink()


def _silence(stage: Stage) -> None:
    until = time.monotonic() + SILENCE
    while time.monotonic() < until:
        with stage.redis.client() as client:
            client.client_kill_filter(_type="normal", skipme=True)
        stage.cause_refresh()
        time.sleep(1)


FAULTS = (Fault("names silent", no_names, Harm.DEATH),)
