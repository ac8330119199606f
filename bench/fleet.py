"""Several brokers that share Redis and Canvas: where most of what scale costs is seen."""

import itertools
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from bench.builds import Build
from bench.ground import Ground
from bench.processes import cpu_seconds
from bench.report import WrongAnswer
from bench.scene import START_LIMIT, Scene, Script, ask
from broker.emulator.canvas import Canvas
from broker.emulator.minting import Answer
from tests.integration.deployment import BrokerProcess

_T = TypeVar("_T")
AT_ONCE = 32
"""Requests that are sent before their answers are read."""
SHARED_CORES = 2
"""Cores that all workers share, however many there are."""
ANYBODY = {"BROKER_CALLER_AUTH": "none", "BROKER_CALLERS_FILE": "", "BROKER_AUDIT_LOG": "none"}
_FOUND = b'"access_token":'
_LIMIT = 20.0
_PAUSE = 0.02


class EndingCanvas(Canvas):
    """Ends an organization's access tokens when it gives a new one."""

    def refresh(
        self, consumer: str, secret_key: str, refresh_token: str, *, lifetime: float | None = None
    ) -> Answer:
        """Redeem a refresh token; the tokens before live no more."""
        answer = super().refresh(consumer, secret_key, refresh_token, lifetime=lifetime)
        with self._lock:
            kept = self._access.pop(answer.access_token)
            for jwt in [one for one, t in self._access.items() if t.family.consumer == consumer]:
                del self._access[jwt]
            self._access[answer.access_token] = kept
        return answer


@dataclass(frozen=True, slots=True)
class Fleet:
    """Brokers that anybody may ask for every organization of one Canvas."""

    scene: Scene
    brokers: Sequence[BrokerProcess]
    names: Sequence[str]
    redis: Any
    began: float = field(default_factory=time.monotonic)

    def commands(self) -> dict[str, int]:
        """Return how often each command has run in Redis, those inside scripts as well."""
        stats: Any = self.redis.info("commandstats")
        return {name.removeprefix("cmdstat_"): value["calls"] for name, value in stats.items()}

    def answers(self) -> dict[str, int]:
        """Return how often Canvas has answered, by status."""
        found: Any = self.scene.emulator.stats()["answers"]
        return dict(found)

    def cpu(self) -> float:
        """Return the processor time of all workers, in seconds."""
        return cpu_seconds(pid for broker in self.brokers for pid in broker.workers())

    def wait_for_calls(self, good: int) -> float:
        """Wait until Canvas has given so many tokens; return the seconds since the start."""
        return self._wait(lambda: self.answers().get("200", 0) >= good)

    def wait_for_tokens(self) -> float:
        """Wait until each broker has a token of each organization; return the same."""
        return self._wait(lambda: all(self.ready_with(broker) for broker in self.brokers))

    def ready_with(self, broker: BrokerProcess) -> bool:
        """Tell whether a broker serves every organization; asks for each."""
        try:
            self.ask_for_all(broker)
        except (OSError, WrongAnswer):
            return False
        return True

    def ask_for_all(self, broker: BrokerProcess) -> None:
        """Ask one broker for each organization; raises ``WrongAnswer`` where a token is missing."""
        with socket.create_connection(("127.0.0.1", broker.port), _LIMIT) as wire:
            for first in range(0, len(self.names), AT_ONCE):
                names = self.names[first : first + AT_ONCE]
                wire.sendall(b"".join(request(name) for name in names))
                _read_tokens(wire, len(names))

    def generation(self, broker: BrokerProcess, name: str, query: str = "") -> int:
        """Return the generation of the token that a broker serves; 0 where it serves none."""
        body = ask(broker.port, f"/token?organization={name}{query}", {}).json()
        return int(body.get("generation", 0))

    def _wait(self, done: Any) -> float:
        until = time.monotonic() + START_LIMIT
        while not done():
            if time.monotonic() > until:
                raise WrongAnswer(f"{len(self.names)} organizations have no tokens in time")
            time.sleep(_PAUSE)
        return time.monotonic() - self.began


@contextmanager
def fleet(
    ground: Ground,
    script: Script,
    brokers: int = 1,
    *,
    before: Callable[[Scene], object] = Scene.calls,
    cores: int = SHARED_CORES,
) -> Iterator[Fleet]:
    """Run brokers of a script, each with its workers; nothing of others is left in Redis.

    ``before`` they start, Canvas is made ready. They share as many ``cores`` as there are.
    """
    script = replace(script, callers=1, settings={**ANYBODY, **script.settings})
    with ExitStack() as stack:
        scene = stack.enter_context(ground.stage(script))
        before(scene)
        names = [f"org-{number}" for number in range(script.organizations)]
        redis: Any = stack.enter_context(ground.redis.client())
        redis.flushall()
        redis.config_resetstat()
        processes = list(itertools.islice(_processes(ground, scene), brokers))
        began = time.monotonic()
        for process in processes:
            stack.enter_context(ground.running(process, cores))
        yield Fleet(scene, processes, names, redis, began)


def both(ground: Ground, measured: Callable[[Ground, Build], _T]) -> tuple[_T, _T]:
    """Measure both builds, one after the other; only one where they are the same."""
    ours, theirs = ground.builds
    found = measured(ground, ours)
    return found, found if ground.plan.quick else measured(ground, theirs)


def slow(seconds: float) -> Callable[[Scene], object]:
    """Return what makes Canvas take so long for an answer."""
    return lambda scene: scene.emulator.fault(latency=seconds, times=None)


def _processes(ground: Ground, scene: Scene) -> Iterator[BrokerProcess]:
    yield scene.broker
    while True:
        process = BrokerProcess(scene.broker.environ, ground.folder() / "log")
        process.command = scene.broker.command
        yield process


def request(name: str) -> bytes:
    """Return what asks for the token of an organization."""
    return f"GET /token?organization={name} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()


def _read_tokens(wire: socket.socket, count: int) -> None:
    found, last = 0, b""
    while found < count:
        data = wire.recv(1 << 18)
        seen = last + data
        if not data or b'"error":' in seen:
            raise WrongAnswer("a token is missing")
        found += seen.count(_FOUND)
        last = seen[-len(_FOUND) + 1 :]
