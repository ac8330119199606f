"""The steps of ``broker check`` that ask Redis."""

import re
from collections.abc import Iterator

from broker.cli.local_steps import SETTINGS
from broker.cli.redis_distance import distance_step
from broker.cli.steps import Finding, Step, fail, ok, warn
from broker.clock import Clock
from broker.settings import Settings, redis_address
from broker.store.feed import SILENCE
from broker.store.node_probe import ProbeError, Server
from broker.store.probe import RedisProbe
from broker.store.round_trip import patient
from broker.store_faults import StoreFault
from broker.threads import redis_connections
from broker.urls import location

CONNECTION, LOGIN, SCRIPTS = "Redis connection", "Redis login", "Redis scripts"
LARGEST_SKEW = 30.0
"""Seconds between two clocks from which on they are told to differ, as health does."""
_OLDEST = 7
_MAJOR = re.compile(r"\d+")
_TRIALS = 30
_REPLICAS = 2
"""Replicas at once, at the least: one more begins before the old one ends."""


def redis_steps(settings: Settings, clock: Clock) -> Iterator[Step]:
    """Yield the steps; nothing is connected before the first is tried."""
    url, prefix, limits = redis_address(settings), settings.redis_prefix, patient(settings.limits)
    steps = _RedisSteps(RedisProbe(url, prefix, limits, clock), location(url), settings)
    once = limits.redis_worst + 1.0
    yield Step(CONNECTION, steps.connection, once, (SETTINGS,))
    yield Step(LOGIN, steps.login, once, (CONNECTION,))
    yield distance_step(settings, (LOGIN,))
    yield Step(SCRIPTS, steps.scripts, once + _TRIALS * limits.redis_worst, (LOGIN,))
    yield Step("Redis feed", steps.feed, once + 2 * SILENCE, (SCRIPTS,))
    yield Step("Redis server", steps.server, once, (SCRIPTS,))
    yield Step("Redis clock", steps.clock, once, (SCRIPTS,))


class _RedisSteps:
    def __init__(self, probe: RedisProbe, shown: str, settings: Settings) -> None:
        self._probe = probe
        self._shown = shown
        self._prefix = settings.redis_prefix
        self._workers, self._threads = settings.workers, settings.threads

    def connection(self) -> Finding:
        """Connect; a login that is refused is another step's matter."""
        try:
            self._probe.reach()
        except ProbeError as error:
            if error.reason.fault is not StoreFault.LOGIN:
                return fail(f"{self._shown}: {self._sentence(error)}")
        return ok(f"{self._shown} takes the connection.")

    def login(self) -> Finding:
        """Log in."""
        try:
            self._probe.reach()
        except ProbeError as error:
            return fail(self._sentence(error))
        return ok("User and password are good, or none are asked for.")

    def scripts(self) -> Finding:
        """Run what the broker runs."""
        try:
            told = self._probe.run_scripts()
        except ProbeError as error:
            return fail(self._sentence(error))
        if told:
            return ok("Every script of the broker runs.")
        return warn(
            "Every script runs, but none may call INFO: no refresh token is ever presented, and "
            "each worker authenticates for itself. Add +info to the user's ACL."
        )

    def feed(self) -> Finding:
        """Publish and subscribe."""
        try:
            self._probe.hear()
        except ProbeError as error:
            return warn(
                f"{self._sentence(error)} Until then each worker looks at each organization in use "
                "once a second, in place of hearing what the others change."
            )
        return ok("Workers hear what others change.")

    def server(self) -> Finding:
        """Look at what it is, whether it may drop records, and how many connections it takes."""
        servers = [server for server in self._probe.servers() if server is not None]
        if not servers:
            return warn(
                "Version, memory policy and maxclients are not told: the user may not call INFO."
            )
        problems = dict.fromkeys(
            problem
            for server in servers
            for problem in (*_problems_of(server), *self._lack_of_connections(server))
        )
        shown = ", ".join(dict.fromkeys(_shown(server) for server in servers))
        return warn(*problems) if problems else ok(f"{shown}.")

    def _lack_of_connections(self, server: Server) -> Iterator[str]:
        """Yield a sentence if two replicas, as in a rolling update, may open more than it takes."""
        each = redis_connections(self._threads)
        replica = self._workers * each
        if server.maxclients is not None and server.maxclients < _REPLICAS * replica:
            yield (
                f"Its maxclients is {server.maxclients}, and a replica opens up to {replica} "
                f"connections (BROKER_WORKERS={self._workers}, {each} each), two in a rolling "
                "update: raise it, or lower BROKER_WORKERS or BROKER_THREADS."
            )

    def clock(self) -> Finding:
        """Compare its clock with this host's."""
        try:
            ahead = self._probe.skew()
        except ProbeError as error:
            return fail(self._sentence(error))
        return clock_finding("Redis", ahead)

    def _sentence(self, error: ProbeError) -> str:
        where = f"{error.node}: " if error.node else ""
        return f"{where}{error.reason.sentence} {error.reason.remedy(self._prefix)}"


def clock_finding(whose: str, ahead: float) -> Finding:
    """Return what to say of a clock that is ``ahead`` seconds before this host's."""
    if abs(ahead) <= LARGEST_SKEW:
        return ok(f"{whose} and this host differ by {abs(ahead):.0f} s.")
    way = "ahead of" if ahead > 0 else "behind"
    return warn(
        f"The clock of {whose} is {abs(ahead):.0f} s {way} this host's: set both by NTP. Tokens "
        "are served all the same; logs and service-account tokens depend on the host's clock."
    )


def _shown(server: Server) -> str:
    limit = f"maxmemory-policy {server.policy}" if server.maxmemory else "no memory limit"
    most = "not told" if server.maxclients is None else server.maxclients
    return f"{server.name} {server.version}, {limit}, maxclients {most}"


def _problems_of(server: Server) -> Iterator[str]:
    major = _MAJOR.match(server.version)
    if major and int(major[0]) < _OLDEST:
        yield f"{server.name} {server.version} is older than any that is tested: {_OLDEST}.0."
    if server.may_evict:
        yield (
            f"Its maxmemory-policy is {server.policy}: under pressure it drops records, and the "
            "broker must authenticate anew. Set noeviction."
        )
