"""Redis's clock is set by ten minutes in the middle of a refresh; a broker starts after that."""

import time
from collections.abc import Callable

from tests.chaos.faults import Fault
from tests.chaos.judge import Harm
from tests.chaos.stage import LEASE, Stage
from tests.servers import SteppableServer, libfaketime

TEN_MINUTES = 600
SEEN = 2.0
"""Seconds after which every worker that was there has noticed."""


def stepped(seconds: int) -> Callable[[Stage], None]:
    """Return what sets the clock by ``seconds`` and, some time later, right again."""

    def play(stage: Stage) -> None:
        redis = stage.redis
        assert isinstance(redis, SteppableServer)
        try:
            with stage.refresh_held("before"):
                redis.set_clock(seconds)
            time.sleep(SEEN)
            broker = stage.deployment.brokers[-1]
            broker.kill()
            broker.start().wait_for("/token", lambda reply: reply.status > 0, stage.deployment.key)
            time.sleep(LEASE)
        finally:
            redis.set_clock(0)
        time.sleep(SEEN)

    return play


FAULTS = (
    (
        Fault("Redis's clock set back by 10 min", stepped(-TEN_MINUTES), Harm.DEATH),
        Fault("Redis's clock set forward by 10 min", stepped(TEN_MINUTES), Harm.DEATH),
    )
    if libfaketime()
    else ()
)
"""None where nothing on this machine can set a server's clock."""
