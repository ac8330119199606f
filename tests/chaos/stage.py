"""The deployment under chaos, and the handles by which faults take hold of it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from broker.emulator.canvas import Behaviour, Canvas, Sessions
from broker.emulator.server import EmulatorServer
from broker.web.health import LARGEST_SKEW
from tests.chaos.judge import RECOVERY_LIMIT
from tests.chaos.mount import ORGANIZATION, MountedDeployment
from tests.integration.deployment import CONSUMER, SECRET_KEY, BrokerProcess
from tests.servers import RedisServer, SteppableServer, libfaketime, valkey_binary

LIFETIME = 60.0
LEASE = 9.0
KEYS = ((CONSUMER, SECRET_KEY), ("c1" * 32, "00000000-0000-4000-8000-00000000c1de"))
SETTINGS = {
    "BROKER_UPSTREAM_TIMEOUT": "1",
    "BROKER_UPSTREAM_CONNECT_TIMEOUT": "0.5",
    "BROKER_LEASE": f"{LEASE:g}",
    "BROKER_LEASE_RESERVE": "3",
    "BROKER_REPORT_MIN_AGE": "0.1",
    "BROKER_REPORT_INTERVAL": "0.1",
    "BROKER_RELOAD_INTERVAL": "0.5",
    "BROKER_LATCH": "10",
}
OLD_ENOUGH = 0.2
"""Seconds after which a report on a new token is taken."""
"""As short as the limits allow, so that a fault can outlast them."""
SETTLE = 1.2
"""Seconds after which every worker has looked at Redis again."""
LOOKS = 4
"""Answers in a row from each broker, so that each of its workers gives some."""


@dataclass
class Stage:
    """Two brokers of two workers, Redis and Canvas; ``before`` is the generation to get past."""

    deployment: MountedDeployment
    redis: RedisServer
    emulator: EmulatorServer
    before: int = 0
    _keys: int = 0
    _base: Behaviour = field(init=False)

    def __post_init__(self) -> None:
        self._base = self.emulator.canvas.behaviour

    def cause_refresh(self, broker: int = 0) -> None:
        """Report the current token as refused, so that it is refreshed now; returns at once."""
        chosen, key = self.deployment.brokers[broker], self.deployment.key
        reply = chosen.wait_for("/token", lambda reply: reply.status == HTTPStatus.OK, key)
        self.before = generation = reply.body["generation"]

        def report() -> None:
            # A token younger than BROKER_REPORT_MIN_AGE is not doubted.
            time.sleep(OLD_ENOUGH)
            chosen.get("/token", key, rejected=generation)

        threading.Thread(target=report, daemon=True).start()

    @contextmanager
    def refresh_held(self, where: str) -> Iterator[tuple[BrokerProcess, int]]:
        """Hold a refresh at Canvas, ``before`` or ``after`` its work; give who waits for it.

        That is the broker and its worker. Canvas lets it go at the end of the block; a worker
        waits for it for one second at most.
        """
        self.emulator.fault(hold=where)
        self.cause_refresh()
        self.emulator.wait_held(timeout=LEASE)
        try:
            yield self.deployment.holder()
        finally:
            self.emulator.release()

    def wait_for_newer(self, broker: int, seconds: float) -> None:
        """Wait until a broker has got past ``before``; raises AssertionError after ``seconds``."""
        until = time.monotonic() + seconds
        while not self._is_past(self.deployment.brokers[broker]):
            assert time.monotonic() < until, f"no newer token within {seconds:g} s"
            time.sleep(0.1)

    def swap_keys(self) -> None:
        """Go over to the other pair of keys."""
        self.before = self.deployment.token().body["generation"]
        self._keys = 1 - self._keys
        self.deployment.write_credentials(*KEYS[self._keys])

    def authenticate_elsewhere(self) -> None:
        """Let another program use the keys; it ends the brokers' tokens if sessions are single."""
        self.emulator.canvas.authenticate(*KEYS[self._keys])

    def heal_canvas(self, sessions: Sessions | None = None) -> None:
        """Put Canvas right, and its counters not back; perhaps with another way of sessions."""
        self.emulator.controls.faults.clear()
        self.emulator.release()
        if sessions is not None:
            self._base = strict(sessions)
        self.emulator.canvas.behaviour = self._base

    def is_well(self) -> bool:
        """Tell whether every broker gives a fresh token, newer than ``before``, and is healthy."""
        return all(
            self._has_fresh(broker) and _is_healthy(broker.get("/health").body)
            for broker in self.deployment.brokers
            for _ in range(LOOKS)
        )

    def recover(self) -> float | None:
        """Wait until all is well and stays so; return the seconds it took, None if too long."""
        began = time.monotonic()
        while (now := time.monotonic()) < began + RECOVERY_LIMIT:
            if self._is_well_now():
                time.sleep(SETTLE)
                if self._is_well_now():
                    return now - began
            time.sleep(0.2)
        return None

    def calls(self) -> int:
        """Return how often Canvas was called until now."""
        return sum(self.deployment.calls().values())

    def presented_twice(self) -> int:
        """Return how many refresh tokens were presented twice until now."""
        return int(str(self.emulator.stats()["presented_twice"]))

    def crashes(self) -> int:
        """Return how many unforeseen exceptions the brokers have logged until now."""
        logs = [broker.log() for broker in self.deployment.brokers]
        return sum(log.count(".crashed") + log.count('"calls"') for log in logs)

    def _is_well_now(self) -> bool:
        try:
            return self.is_well()
        except (TypeError, KeyError):  # no answer, or one without a body
            return False

    def _is_past(self, broker: BrokerProcess) -> bool:
        reply = broker.get("/token", self.deployment.key)
        return reply.status == HTTPStatus.OK and reply.body["generation"] > self.before

    def _has_fresh(self, broker: BrokerProcess) -> bool:
        reply = broker.get("/token", self.deployment.key)
        if reply.status != HTTPStatus.OK:
            return False
        fresh: bool = reply.body["expires_in"] > LIFETIME / 2
        return fresh and reply.body["generation"] > self.before


def _is_healthy(body: Any) -> bool:
    """Tell whether health passes; a skew measured before a clock was mended may stand on."""
    checks = body["checks"]
    (token,) = checks["organization:token"]
    skewed = abs(token["clock_skew"] or 0) > LARGEST_SKEW
    others = [*checks["redis:connection"], *checks["files"]]
    return (
        all(check["status"] == "pass" for check in others)
        and (token["status"] == "pass" or (skewed and not token["failures"]))
        and token["credential_version"] == token["token_of_credential_version"]
    )


def strict(sessions: Sessions) -> Behaviour:
    """Return a Canvas with short tokens that forgives nothing."""
    return Behaviour(
        access_lifetime_authenticate=LIFETIME,
        access_lifetime_refresh=LIFETIME,
        reuse_revokes_family=True,
        sessions=sessions,
    )


def _server(directory: Path) -> RedisServer:
    """Return a Valkey, one whose clock can be set where this machine has what that takes."""
    library = libfaketime()
    if library is None:
        return RedisServer(valkey_binary(), directory)
    return SteppableServer(valkey_binary(), directory, library)


@contextmanager
def staged(directory: Path, sessions: Sessions = Sessions.MANY) -> Iterator[Stage]:
    """Start everything in ``directory`` and wait until every broker gives a token."""
    names = {consumer: ORGANIZATION for consumer, _ in KEYS}
    canvas = Canvas(dict(KEYS), names=names, behaviour=strict(sessions))
    with (
        _server(directory) as redis,
        EmulatorServer(canvas) as emulator,
        MountedDeployment(directory, emulator, redis.url, settings=SETTINGS) as deployment,
    ):
        deployment.wait_for_token()
        stage = Stage(deployment, redis, emulator)
        stage.recover()
        yield stage
