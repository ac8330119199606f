"""How far away Redis is: what a new connection takes, and what one answer takes."""

import time
from contextlib import suppress
from dataclasses import dataclass, replace

from redis.exceptions import RedisError, ResponseError

from broker.limits import Limits
from broker.store.connect import connect
from broker.store.connections import Contexts
from broker.store.deadline import within

_CONNECT_TIMEOUT = 10.0
_TIMEOUT = 2.0
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Distance:
    """Seconds that a connection took to set up, and that an answer took at best."""

    set_up: float
    answer: float


def patient(limits: Limits) -> Limits:
    """Return limits under which a Redis is reached that is too far away for ``limits``."""
    return replace(
        limits,
        redis_connect_timeout=max(_CONNECT_TIMEOUT, limits.redis_connect_timeout),
        redis_timeout=max(_TIMEOUT, limits.redis_timeout),
    )


def measure(url: str, prefix: str, limits: Limits, tls: Contexts | None = None) -> Distance | None:
    """Return how far away Redis is, within ``patient(limits).redis_worst`` seconds; None in vain.

    Nothing is written. A user who may not run a script is told so in the same time.
    """
    most = patient(limits)
    client = connect(url, most, tls)
    answers: list[float] = []
    with suppress(RedisError), within(most.redis_worst):
        for _ in range(_TRIES):
            began = time.monotonic()
            with suppress(ResponseError):
                client.eval("return 1", 1, f"{prefix}:{{probe}}")
            answers.append(time.monotonic() - began)
    set_up = client.set_up_times.shortest()
    # The first try waited for the connection.
    return Distance(set_up, min(answers[1:])) if set_up is not None and answers[1:] else None
