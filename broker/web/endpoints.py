"""Which path answers on which port: the one table of it, for every server and every document."""

from collections.abc import Mapping
from enum import StrEnum


class Port(StrEnum):
    """Where the broker listens."""

    CALLERS = "callers"
    """The addresses of ``BROKER_BIND``."""
    MANAGEMENT = "management"
    """The addresses of ``BROKER_MANAGEMENT_BIND``."""


EVERY = frozenset(Port)
"""The ports of a broker without a management port: all paths answer on its one."""
_CALLERS = frozenset({Port.CALLERS})
_MANAGEMENT = frozenset({Port.MANAGEMENT})

PORTS: Mapping[str, frozenset[Port]] = {
    "/token": _CALLERS,
    "/.well-known/oauth-authorization-server": _CALLERS,
    "/health/live": EVERY,
    "/health/ready": EVERY,
    "/health": _MANAGEMENT,
    "/metrics": _MANAGEMENT,
    "/status": _MANAGEMENT,
    "/openapi.json": _MANAGEMENT,
}
"""The ports of each path; a path that is not in here answers nowhere."""
