"""One call has one time, and a client whose servers are lost is made anew."""

import time
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MasterDownError, ReadOnlyError, RedisClusterException, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from broker.clock import SystemClock
from broker.store.bounded import BoundedClient
from broker.store.breaker import Breaker
from broker.store.deadline import left, within
from broker.store.scripts import Scripts


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

    def pipeline(self, transaction: bool) -> "Pipeline":  # redis-py's signature
        """Return what collects."""
        assert not transaction
        return Pipeline(self)


class Pipeline:
    """Has each reply but the last, which is an error if the client has one."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._calls = 0

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> None:
        """Count a call."""
        self._calls += 1

    def execute(self, raise_on_error: bool) -> list[Any]:  # redis-py's signature
        """Return as many replies."""
        assert not raise_on_error
        answer = self._client.answer
        return [*[answer] * (self._calls - 1), self._client.error or answer]


class Maker:
    """Makes clients, of which the first few fail; None is one that works."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.made = 0

    def __call__(self) -> Client:
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


@pytest.mark.parametrize("error", [ReadOnlyError, MasterDownError, RedisClusterException])
def test_lost_server_among_several_replies(error: type[Exception]) -> None:
    """One of them says that it is the wrong server: all are asked of another."""
    assert run_each(Maker(error("of the past"))) == [2, 2, 2]


def test_another_error_among_several_replies() -> None:
    """It concerns that reply alone, and is not asked for again here."""
    maker = Maker(ResponseError("WRONGTYPE"))
    assert run_each(maker) == [1, 1, None]
    assert maker.made == 1


def run_each(maker: Maker) -> list[Any]:
    """Run a script three times in one round trip."""
    client = BoundedClient(maker, 1.0)
    scripts = Scripts(client, Breaker(SystemClock(), 1.0), together=client)
    return scripts.run_each("read", [(["key"], [])] * 3)


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
