"""``broker check`` measures the way to Redis and says which settings allow for it."""

from dataclasses import replace
from typing import Any

import pytest

from broker.cli.redis_distance import judge
from broker.cli.steps import Word
from broker.limits import Limits
from broker.store.round_trip import Distance, measure
from tests.redis.far import far_away
from tests.servers import RedisServer, free_port

LIMITS = Limits()


def test_near() -> None:
    """Both figures stand beside what is allowed."""
    found = judge(Distance(set_up=0.812, answer=0.2034), LIMITS)
    assert found.word is Word.OK
    (sentence,) = found.sentences
    assert "connection takes 0.81 s, of 1 s that" in sentence
    assert "answer takes 0.2 s, of 0.5 s (BROKER_REDIS_TIMEOUT)" in sentence


@pytest.mark.parametrize(
    ("distance", "advice"),
    [
        (Distance(1.2, 0.3), "BROKER_REDIS_CONNECT_TIMEOUT=0.65 and BROKER_REDIS_TIMEOUT=0.5"),
        (Distance(0.9, 0.6), "BROKER_REDIS_CONNECT_TIMEOUT=0.25 and BROKER_REDIS_TIMEOUT=0.9"),
    ],
)
def test_far(distance: Distance, advice: str) -> None:
    """What is to be set fits together, and allows half as much again."""
    found = judge(distance, LIMITS)
    assert found.word is Word.WARN
    assert advice in found.sentences[1].replace(", ", " and ")
    named = dict(one.strip(".,").split("=") for one in found.sentences[1].split() if "=" in one)
    settings: dict[str, Any] = {
        name.removeprefix("BROKER_").lower(): float(said) for name, said in named.items()
    }
    limits = replace(LIMITS, **settings)
    assert not list(limits.problems())
    assert judge(distance, limits).word is Word.OK
    assert limits.redis_connection_wait >= 1.5 * distance.set_up
    assert limits.redis_timeout >= 1.5 * distance.answer


def test_too_far() -> None:
    """No settings help where a request could not end in time."""
    found = judge(Distance(3.0, 1.9), LIMITS)
    assert "4.5 s do not allow" in found.sentences[1]


@pytest.mark.sockets
def test_measured(valkey: RedisServer) -> None:
    """Each of the two is at least the way there and back."""
    with far_away(valkey.port, 0.3) as port:
        found = measure(f"redis://127.0.0.1:{port}/1", "test", LIMITS)
    assert found
    assert found.answer >= 0.3
    assert found.set_up >= 0.6


@pytest.mark.sockets
def test_nobody_there() -> None:
    """Nothing is told."""
    assert measure(f"redis://127.0.0.1:{free_port()}", "test", LIMITS) is None
