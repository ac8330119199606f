"""The step of ``broker check`` that measures the way to Redis, and what to set for it."""

import math
from collections.abc import Iterator
from functools import partial

from broker.cli.steps import Finding, Step, ok, warn
from broker.limits import Limits
from broker.settings import Settings, redis_address
from broker.store.round_trip import Distance, measure, patient

DISTANCE = "Redis round trip"


def distance_step(settings: Settings, needs: tuple[str, ...]) -> Step:
    """Return the step; it fails nothing, for what else is asked of Redis shows whether it works."""
    work = partial(_try, redis_address(settings), settings.redis_prefix, settings.limits)
    return Step(DISTANCE, work, patient(settings.limits).redis_worst + 1.0, needs)


def _try(url: str, prefix: str, limits: Limits) -> Finding:
    found = measure(url, prefix, limits)
    if found is None:
        return warn("It could not be measured: the connection fails now and then.")
    return judge(found, limits)


def judge(found: Distance, limits: Limits) -> Finding:
    """Say whether ``limits`` allow for the distance, and which settings would."""
    measured = (
        f"A connection takes {found.set_up:.2g} s, of {limits.redis_connection_wait:g} s that an "
        f"operation waits for one; an answer takes {found.answer:.2g} s, of "
        f"{limits.redis_timeout:g} s (BROKER_REDIS_TIMEOUT)."
    )
    if found.set_up <= limits.redis_connection_wait and found.answer <= limits.redis_timeout:
        return ok(measured)
    return warn(measured, " ".join(_advice(found, limits)))


def _advice(found: Distance, limits: Limits) -> Iterator[str]:
    """Yield what to set so that half as much again would be allowed."""
    yield "Bring Redis nearer, or set"
    timeout = max(limits.redis_timeout, _up(1.5 * found.answer))
    connect = max(limits.redis_connect_timeout, _up((1.5 * found.set_up - timeout) / 2))
    wait = limits.request - 2 * (connect + timeout)
    settings = [f"BROKER_REDIS_CONNECT_TIMEOUT={connect:g}", f"BROKER_REDIS_TIMEOUT={timeout:g}"]
    if wait <= 0:
        yield f"{' and '.join(settings)}, which a request's {limits.request:g} s do not allow."
        return
    if wait < limits.wait:
        settings.append(f"BROKER_WAIT={math.floor(100 * wait) / 100:g}")
    yield f"{' and '.join(settings)}."


def _up(seconds: float) -> float:
    return math.ceil(100 * seconds) / 100
