"""One way to drive each record store: in memory, on fakeredis, on Redis 7.0, on Valkey 9."""

import itertools
from dataclasses import dataclass, replace
from typing import Any, Protocol

import redis

from broker.clock import SystemClock
from broker.feed import Change
from broker.limits import Limits
from broker.ports import RecordStore, RecordStores
from broker.store.bounded import BoundedClient
from broker.store.breaker import Breaker
from broker.store.codec import open_record, open_vouch, seal_record, seal_vouch
from broker.store.redis_stores import RedisRecordStores
from broker.store.scripts import Scripts
from broker.store.vouch import Vouch
from tests.fakes import FakeClock, credentials
from tests.memory_store.server import MemoryServer

SCOPE = "https://canvas.example/api"
_numbers = itertools.count()


class Harness(Protocol):
    """A fresh organization in a store, and the faults that a test can cause in it."""

    store: RecordStore
    stores: RecordStores

    def now(self) -> float:
        """Return the server's time in Unix seconds."""
        ...

    def told(self) -> list[int]:
        """Return the generations that the fleet was told of since the last call."""
        ...

    def end_lease(self) -> None:
        """Let the lease run out."""
        ...

    def end_backoff(self) -> None:
        """Let the backoff run out."""
        ...

    def age(self, seconds: float) -> None:
        """Make the record's generation older."""
        ...

    def lose(self) -> None:
        """Lose all that the server holds."""
        ...

    def move(self) -> None:
        """Make all that the server holds another server's, as after a failover."""
        ...

    def set_back(self, seconds: float) -> None:
        """Make all that the server holds look as if its clock had been set back since."""
        ...


class MemoryHarness:
    """Drives :class:`MemoryServer`."""

    def __init__(self) -> None:
        self._clock = FakeClock()
        self.server = MemoryServer(self._clock.redis, Limits())
        self.stores: RecordStores = self.server
        self.store: RecordStore = self.server.open("acme", credentials())
        self._told: list[Change] = []
        self.server.publish = self._told.append

    def told(self) -> list[int]:
        """Return what was published."""
        told, self._told[:] = [change.generation for change in self._told], []
        return told

    def now(self) -> float:
        """Return the fake clock's time."""
        return self._clock.redis()

    def end_lease(self) -> None:
        """Let the lease run out."""
        self.server.shelves[("acme", credentials().version)].lease_until = 0

    def end_backoff(self) -> None:
        """Let the backoff run out."""
        shelf = self.server.shelves[("acme", credentials().version)]
        shelf.backoff_until, word = 0, shelf.backoff_vouch
        if isinstance(word, Vouch):
            shelf.backoff_vouch = replace(word, until=min(word.until, self.now()))

    def age(self, seconds: float) -> None:
        """Let time pass."""
        self._clock.sleep(seconds)

    def lose(self) -> None:
        """Forget everything."""
        self.server.shelves.clear()

    def move(self) -> None:
        """Rename the server."""
        self.server.name += "'"

    def set_back(self, seconds: float) -> None:
        """Set the clock back."""
        self._clock.redis_error -= seconds


@dataclass
class RedisHarness:
    """Drives the Lua scripts through a redis-py client."""

    client: "redis.Redis"
    server_name: str = ""

    def __post_init__(self) -> None:
        organization = f"acme-{next(_numbers)}"
        together, breaker = BoundedClient(lambda: self.client, 1.0), Breaker(SystemClock(), 1.0)
        self.scripts = Scripts(self.client, breaker, self.server_name, together)
        stores = RedisRecordStores(self.scripts, Limits(), "test", SCOPE)
        self.stores: RecordStores = stores
        store = stores.open(organization, credentials())
        self.store: RecordStore = store
        self.seal = store._seal
        record = store.keys[0]
        self.keys = {part: record.replace(":record", f":{part}") for part in PARTS}
        self._expected = f"{organization} {self.seal.name} "
        client: Any = self.client
        self._subscriber = client.pubsub(ignore_subscribe_messages=True)
        self._subscriber.subscribe("test:changes")
        self._subscriber.get_message(timeout=1)

    def told(self) -> list[int]:
        """Return what has come on the channel by the answer to a PING."""
        self._subscriber.ping()
        told = []
        while (message := self._subscriber.get_message(timeout=5)) is not None:
            if message["type"] == "pong":
                break
            text = message["data"].decode()
            assert text.startswith(self._expected)
            told.append(int(text.removeprefix(self._expected)))
        return told

    def now(self) -> float:
        """Return the server's time."""
        reply: Any = self.client.time()
        return float(reply[0]) + float(reply[1]) / 1e6

    def end_lease(self) -> None:
        """Let the lease run out."""
        self.client.delete(self.keys["lease"])

    def end_backoff(self) -> None:
        """Let the backoff run out."""
        key = self.keys["backoff"]
        if self.client.exists(key):
            self.client.hset(key, "until", "0")
            sealed = self.client.hget(key, "sealed")
            word = open_vouch(self.seal, sealed) if isinstance(sealed, bytes) else None
            if word is not None:
                ended = replace(word, until=min(word.until, self.now()))
                self.client.hset(key, "sealed", seal_vouch(self.seal, ended))

    def age(self, seconds: float) -> None:
        """Put the generation back in time."""
        key, by = self.keys["record"], round(seconds * 1e6)
        generation: Any = self.client.hincrby(key, "generation", -by)
        sealed: Any = self.client.hget(key, "sealed")
        record = open_record(self.seal, generation + by, sealed)
        assert record is not None
        older = record.provisional - by
        again = seal_record(self.seal, replace(record, generation=older, provisional=older))
        self.client.hset(key, "sealed", again)

    def lose(self) -> None:
        """Delete every key."""
        self.client.delete(*self.keys.values())

    def move(self) -> None:
        """Put another server's name on every key."""
        for key, names in SERVER_FIELDS.items():
            for name in names:
                if self.client.hexists(self.keys[key], name):
                    self.client.hset(self.keys[key], name, "another")

    def set_back(self, seconds: float) -> None:
        """Move every instant forward, those at which keys expire among them."""
        for key, name in INSTANTS:
            if self.client.hexists(self.keys[key], name):
                self.client.hincrby(self.keys[key], name, round(seconds * 1e6))
        for key in self.keys.values():
            left: Any = self.client.pttl(key)
            if left > 0:
                self.client.pexpire(key, left + round(seconds * 1000))


INSTANTS = (
    *(("record", "written"), ("backoff", "until"), ("backoff", "written")),
    *(("lease", "written"), ("report", "written")),
)
PARTS = ("record", "lease", "backoff", "report")
SERVER_FIELDS = {"record": ("server", "spare_server"), "lease": ("server",), "backoff": ("server",)}
