"""Waiting places of real workers: Canvas hangs for some, and others are let wait all the same."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from broker.callers import new_key
from broker.emulator.canvas import Canvas
from broker.emulator.server import EmulatorServer
from tests.integration.deployment import CONSUMER, SECRET_KEY, BrokerProcess, Deployment, Reply
from tests.integration.test_operators import metrics, wait_until
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

BOLT = "b0" * 32
CALLERS = ("app", "job", "cron")
FLOOD = 20
"""Requests at once, where 16 may wait."""
COLD = 3
WAITED = 2.5
"""Seconds: who finds no place is answered at once, who waits in vain on a busy host after 3 s."""


@pytest.fixture
def emulator() -> Iterator[EmulatorServer]:
    """Play a Canvas with two organizations."""
    names = {CONSUMER: "acme", BOLT: "bolt"}
    with EmulatorServer(Canvas(dict.fromkeys(names, SECRET_KEY), names=names)) as server:
        yield server


class Crowded:
    """A broker of one worker, in which 16 requests may wait, and several callers."""

    def __init__(self, fleet: Deployment, keys: dict[str, str]) -> None:
        self.fleet = fleet
        self._keys = keys

    @property
    def broker(self) -> BrokerProcess:
        """Return the one."""
        return self.fleet.brokers[0]

    def add(self, organization: str, consumer: str) -> None:
        """Write the keys of one more organization."""
        folder = self.fleet.credentials / organization
        folder.mkdir()
        (folder / "consumer").write_text(consumer)
        (folder / "secret-key").write_text(SECRET_KEY)

    def ask(self, organization: str, caller: str) -> Reply:
        """Ask once."""
        return self.broker.get("/token", self._keys[caller], organization=organization)

    def ask_once_it_is_there(self, organization: str, caller: str) -> Reply:
        """Ask until the broker knows the organization."""
        while (reply := self.ask(organization, caller)).status == 403:
            time.sleep(0.02)
        return reply

    @contextmanager
    def flooded(self, *callers: str) -> Iterator[None]:
        """Let these callers ask for acme all the time, many at once; wait until some are refused.

        They share nothing but the organization, whose calls to Canvas hang.
        """
        over = threading.Event()

        def keep_asking(number: int) -> None:
            while not over.wait(0.2):
                self.ask("acme", callers[number % len(callers)])

        threads = [threading.Thread(target=keep_asking, args=(n,)) for n in range(FLOOD)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: metrics(self.broker)["broker_waiters_refused_total{}"] >= FLOOD)
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()


@pytest.fixture
def crowded(tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer) -> Iterator[Crowded]:
    """Run it while Canvas hangs for acme."""
    keys, lines = {}, []
    for name in CALLERS:
        keys[name], digest = new_key()
        lines.append(f'[callers.{name}]\nkey_sha256 = "{digest}"\norganizations = ["*"]\n')
    callers = tmp_path / "several.toml"
    callers.write_text("\n".join(lines))
    settings = {
        "BROKER_CALLERS_FILE": str(callers),
        "BROKER_REDIS_PREFIX": tmp_path.name,
        "BROKER_RELOAD_INTERVAL": "0.2",
        "BROKER_WORKERS": "1",
        "BROKER_THREADS": "32",
    }
    emulator.fault(hold="before", organization="acme", times=None)
    with Deployment(tmp_path, emulator, valkey.url, brokers=1, settings=settings) as fleet:
        fleet.brokers[0].wait_for("/health/live", lambda reply: reply.status == 200)
        yield Crowded(fleet, keys)


@pytest.mark.parametrize("flooding", [("app",), ("job", "cron")])
def test_an_organization_that_hangs_leaves_places(
    crowded: Crowded, emulator: EmulatorServer, flooding: tuple[str, ...]
) -> None:
    """Cold callers of another one wait for its token and get it, whoever fills acme's share."""
    emulator.fault(latency=1.0, organization="bolt")
    replies: list[Reply] = []
    with crowded.flooded(*flooding):
        cold = [
            threading.Thread(
                target=lambda: replies.append(crowded.ask_once_it_is_there("bolt", "app"))
            )
            for _ in range(COLD)
        ]
        for thread in cold:
            thread.start()
        crowded.add("bolt", BOLT)
        for thread in cold:
            thread.join()
        refused = crowded.ask("acme", "app")
    assert len(replies) == COLD
    assert all(reply.status == 200 or reply.seconds > WAITED for reply in replies), replies
    assert (refused.status, refused.body["error"]) == (503, "temporarily_unavailable")
    assert int(refused.headers["Retry-After"]) >= 1


def test_a_caller_leaves_places_to_others(crowded: Crowded, emulator: EmulatorServer) -> None:
    """Of the same organization: another caller waits, and gets the token as soon as it is there."""
    replies: list[Reply] = []
    waiting = threading.Thread(target=lambda: replies.append(crowded.ask("acme", "app")))
    with crowded.flooded("job"):
        before = metrics(crowded.broker)["broker_waiters{}"]
        waiting.start()
        wait_until(lambda: metrics(crowded.broker)["broker_waiters{}"] > before)
        emulator.reset()
        waiting.join()
    (reply,) = replies
    assert reply.status == 200 or reply.seconds > WAITED, reply
