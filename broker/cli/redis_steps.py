"""The steps of ``broker check`` that ask Redis."""

import re
from collections.abc import Iterator, Mapping

from broker.cli.local_steps import SETTINGS
from broker.cli.steps import Finding, Step, fail, ok, warn
from broker.clock import Clock
from broker.settings import Settings, redis_address
from broker.settings.urls import location
from broker.store.probe import ProbeError, RedisProbe, Server
from broker.store.trouble import Trouble

CONNECTION, LOGIN, SCRIPTS = "Redis connection", "Redis login", "Redis scripts"
LARGEST_SKEW = 30.0
"""Seconds between two clocks from which on they are told to differ, as health does."""
_OLDEST = 7
_MAJOR = re.compile(r"\d+")
_RESOLVING = 5.0
_TRIALS = 30

_WHAT_TO_DO: Mapping[Trouble, str] = {
    Trouble.NAME: "The host name cannot be resolved: correct BROKER_REDIS_URL, or the DNS.",
    Trouble.CONNECT: "Nobody takes the connection: start Redis, open the network to it, or correct "
    "BROKER_REDIS_URL.",
    Trouble.TIMEOUT: "It does not answer in time (BROKER_REDIS_CONNECT_TIMEOUT, "
    "BROKER_REDIS_TIMEOUT): a firewall drops the packets, or Redis hangs.",
    Trouble.CERTIFICATE: "Its certificate is not trusted, is over, or is for another host: name "
    "the authority by ssl_ca_certs in BROKER_REDIS_URL, or replace the certificate.",
    Trouble.TLS: "TLS fails: does Redis speak TLS at this port (rediss://), and does it want a "
    "client certificate (ssl_certfile, ssl_keyfile)?",
    Trouble.LOGIN: "User or password are refused, or missing: correct BROKER_REDIS_URL, or "
    "BROKER_REDIS_USERNAME and BROKER_REDIS_PASSWORD.",
    Trouble.PRIMARY: "No sentinel knows a living primary of this service: correct the service in "
    "BROKER_REDIS_URL, or bring the primary back.",
    Trouble.CLUSTER: "The cluster does not serve all its slots, or this is no cluster "
    "(redis+cluster://).",
    Trouble.READ_ONLY: "This is a replica, and takes no writes: name the primary in "
    "BROKER_REDIS_URL, or its sentinels.",
    Trouble.FULL: "It has no memory left: raise its maxmemory.",
    Trouble.LOADING: "It is still loading its data: try again in a moment.",
    Trouble.DENIED: "The user may not run {commands}: add {rules} to its ACL.",
    Trouble.KEYS: "The user may not use the keys of the broker: add ~{prefix}:* to its ACL.",
    Trouble.SCRIPTS: "The scripts fail although each command is allowed: is this Redis 7 or later, "
    "or Valkey?",
    Trouble.OTHER: "It answers what nobody understands: is this Redis?",
}


def redis_steps(settings: Settings, clock: Clock) -> Iterator[Step]:
    """Yield the steps; nothing is connected before the first is tried."""
    url, prefix, limits = redis_address(settings), settings.redis_prefix, settings.limits
    steps = _RedisSteps(RedisProbe(url, prefix, limits, clock), location(url), prefix)
    # Names are resolved by the system, which no limit of the broker's reaches.
    once = _RESOLVING + limits.redis_worst
    yield Step(CONNECTION, steps.connection, once, (SETTINGS,))
    yield Step(LOGIN, steps.login, once, (CONNECTION,))
    yield Step(SCRIPTS, steps.scripts, once + _TRIALS * limits.redis_worst, (LOGIN,))
    yield Step("Redis server", steps.server, once, (SCRIPTS,))
    yield Step("Redis clock", steps.clock, once, (SCRIPTS,))


class _RedisSteps:
    def __init__(self, probe: RedisProbe, shown: str, prefix: str) -> None:
        self._probe = probe
        self._shown = shown
        self._prefix = prefix

    def connection(self) -> Finding:
        """Connect; a login that is refused is another step's matter."""
        try:
            self._probe.reach()
        except ProbeError as error:
            if error.trouble is not Trouble.LOGIN:
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

    def server(self) -> Finding:
        """Look at what it is, and whether it may drop records."""
        server = self._probe.server()
        if server is None:
            return warn("Version and memory policy are not told: the user may not call INFO.")
        problems = tuple(_problems_of(server))
        limit = f"maxmemory-policy {server.policy}" if server.maxmemory else "no memory limit"
        return warn(*problems) if problems else ok(f"{server.name} {server.version}, {limit}.")

    def clock(self) -> Finding:
        """Compare its clock with this host's."""
        try:
            ahead = self._probe.skew()
        except ProbeError as error:
            return fail(self._sentence(error))
        return clock_finding("Redis", ahead)

    def _sentence(self, error: ProbeError) -> str:
        commands, rules = ", ".join(error.commands), " ".join(f"+{one}" for one in error.commands)
        text = _WHAT_TO_DO[error.trouble]
        return text.format(commands=commands, rules=rules, prefix=self._prefix)


def clock_finding(whose: str, ahead: float) -> Finding:
    """Return what to say of a clock that is ``ahead`` seconds before this host's."""
    if abs(ahead) <= LARGEST_SKEW:
        return ok(f"{whose} and this host differ by {abs(ahead):.0f} s.")
    way = "ahead of" if ahead > 0 else "behind"
    return warn(
        f"The clock of {whose} is {abs(ahead):.0f} s {way} this host's: set both by NTP. Tokens "
        "are served all the same; logs and service-account tokens depend on the host's clock."
    )


def _problems_of(server: Server) -> Iterator[str]:
    major = _MAJOR.match(server.version)
    if major and int(major[0]) < _OLDEST:
        yield f"{server.name} {server.version} is older than any that is tested: {_OLDEST}.0."
    if server.may_evict:
        yield (
            f"Its maxmemory-policy is {server.policy}: under pressure it drops records, and the "
            "broker must authenticate anew. Set noeviction."
        )
