"""One call has one time, and a client whose servers are lost is made anew."""

import time
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MasterDownError, ReadOnlyError, RedisClusterException
from redis.exceptions import TimeoutError as RedisTimeoutError

from broker.clock import SystemClock
from broker.store.bounded import BoundedClient, left, within
from broker.store.breaker import Breaker
from broker.store.scripts import RedisClient, Scripts


class Client:
    """Answers with its number, or with an error."""

    def __init__(self, number: int, error: Exception | None) -> None:
        self.answer = number
        self.error = error

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Answer or fail."""
        if self.error:
            raise self.error
        return self.answer

    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Answer or fail."""
        return self.evalsha(script, numkeys)


class Maker:
    """Makes clients, of which the first few fail; None is one that works."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.made = 0

    def __call__(self) -> RedisClient:
        """Make the next one."""
        self.made += 1
        return Client(self.made, self.errors.pop(0) if self.errors else None)


def run(maker: Maker) -> Any:
    """Run a script as the store does, with its one retry."""
    return Scripts(BoundedClient(maker, 1.0), Breaker(SystemClock(), 1.0)).run("read", ["key"])


@pytest.mark.parametrize("error", [ReadOnlyError, MasterDownError, RedisClusterException])
def test_lost_servers(error: type[Exception]) -> None:
    """A demoted primary or a layout of the past costs the retry; a new client looks afresh."""
    maker = Maker(error("of the past"))
    assert run(maker) == 2


def test_broken_connection_keeps_the_client() -> None:
    """Its pool and its layout are still good: it connects again by itself."""
    maker = Maker(RedisConnectionError("broken"))
    client = BoundedClient(maker, 1.0)
    with pytest.raises(RedisConnectionError):
        client.evalsha("sha", 0)
    with pytest.raises(RedisConnectionError):
        client.evalsha("sha", 0)
    assert maker.made == 1


def test_made_once() -> None:
    """Not before it is needed, and not twice."""
    maker = Maker()
    client = BoundedClient(maker, 1.0)
    assert maker.made == 0
    assert [client.evalsha("sha", 0), client.eval("text", 0)] == [1, 1]


def test_time_left() -> None:
    """It shrinks, is at most what a single step may take, and ends in an error."""
    with within(0.05):
        assert left(0.01) == 0.01
        assert 0 < left(9.0) <= 0.05
        time.sleep(0.06)
        with pytest.raises(RedisTimeoutError):
            left(9.0)
    assert left(9.0) == 9.0
