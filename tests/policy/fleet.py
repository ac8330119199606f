"""Several workers that share one Redis and one Canvas, on one thread and one clock.

Each worker has a monotonic clock of its own origin. What the invariants forbid is written down
while a test runs, and :meth:`Fleet.check` speaks up at its end.
"""

from collections.abc import Callable
from dataclasses import replace

from broker.credentials import Credentials
from broker.errors import FailureClass, UnavailableError, UpstreamError
from broker.feed import Change
from broker.fleet_calls import CallLimits, FleetCalls
from broker.limits import Limits
from broker.policy.answers import Served
from broker.policy.broker import Broker
from broker.policy.calls import Calls
from broker.policy.health import OrganizationHealth
from broker.policy.lease import Tools
from broker.policy.refresher import TICK, Refresher
from broker.ports import Retry
from broker.secret import Secret
from broker.tokens import Record, TokenPair
from tests.fakes import FakeCanvas, FakeClock, FakeRuntime, Notes, credentials, retry_definite
from tests.memory_store.calls import MemoryFleetCalls, UnlimitedCalls
from tests.memory_store.server import MemoryServer
from tests.memory_store.shelf import Shelf
from tests.policy.link import Link

ACME = "acme"
KEYS = credentials("a")
NEW_KEYS = credentials("b")
KEEP_WARM = 3600.0
LIMITS = Limits()


class WorkerClock:
    """The fleet's time, counted from another origin."""

    def __init__(self, clock: FakeClock, origin: float) -> None:
        self._clock = clock
        self._origin = origin

    def monotonic(self) -> float:
        """Return the seconds since this worker's origin."""
        return self._clock.monotonic() + self._origin

    def wall(self) -> float:
        """Return the host's idea of Unix time."""
        return self._clock.wall()

    def sleep(self, seconds: float) -> None:
        """Let time pass for all."""
        self._clock.sleep(seconds)


class WatchedCanvas:
    """The fleet's Canvas as one worker sees it; notes what breaks invariants 2 and 3."""

    def __init__(self, fleet: "Fleet", clock: WorkerClock) -> None:
        self._fleet = fleet
        self._clock = clock

    def authenticate(self, credentials: Credentials) -> TokenPair:
        """Pass an Authenticate on."""
        return self._watch(lambda: self._fleet.canvas.authenticate(credentials))

    def refresh(self, credentials: Credentials, refresh_token: Secret) -> TokenPair:
        """Pass a refresh on, and note a refresh token that was presented before."""
        value = refresh_token.reveal()
        if value in self._fleet.spent:
            self._fleet.broken.append(f"{value} was presented again")
        self._fleet.spent.add(value)
        try:
            return self._watch(lambda: self._fleet.canvas.refresh(credentials, refresh_token))
        except UpstreamError as error:
            if error.failure is FailureClass.DEFINITE:
                self._fleet.spent.discard(value)
            raise

    def _watch(self, call: Callable[[], TokenPair]) -> TokenPair:
        fleet, sent = self._fleet, self._clock.monotonic()
        fleet.in_flight += 1
        fleet.most_in_flight = max(fleet.most_in_flight, fleet.in_flight)
        try:
            return replace(call(), sent=sent)
        finally:
            fleet.in_flight -= 1


class Worker:
    """One process: a broker with its refresher, and the means to disturb it."""

    def __init__(self, fleet: "Fleet", number: int, retry: Retry, waiters: int) -> None:
        self._fleet = fleet
        self.clock = WorkerClock(fleet.clock, 5000.0 * number)
        self.runtime = FakeRuntime(fleet.clock, f"worker-{number}")
        self.notes = Notes()
        self.link = Link(fleet.server, fleet.clock)
        canvas = WatchedCanvas(fleet, self.clock)
        self.calls = Calls(fleet.calls, self.clock, f"worker-{number}", fleet.allowed)
        tools = Tools(LIMITS, self.clock, self.runtime, canvas, retry, self.notes, self.calls)
        self.broker = Broker(tools, self.link, keep_warm=KEEP_WARM, waiters=waiters)
        self.refresher = Refresher(self.broker, self.clock, self.notes)
        self._served: dict[str, int] = {}

    def ask(
        self, organization: str = ACME, *, min_ttl: int = 0, rejected: int | None = None
    ) -> Served:
        """Ask for a token as a caller does; note a generation that goes back (invariant 14)."""
        served = self.broker.token(organization, min_ttl=min_ttl, rejected=rejected)
        if served.generation < self._served.get(organization, 0):
            self._fleet.broken.append(f"{organization} went back to a lower generation")
        if served.generation == rejected or served.expires_in < int(LIMITS.dead):
            self._fleet.broken.append(f"{organization} was served a refused or dead token")
        self._served[organization] = served.generation
        return served

    def refused(
        self, organization: str = ACME, *, min_ttl: int = 0, rejected: int | None = None
    ) -> UnavailableError:
        """Ask for a token and return the error that comes instead."""
        try:
            self.ask(organization, min_ttl=min_ttl, rejected=rejected)
        except UnavailableError as error:
            return error
        raise AssertionError("a token was served")

    def token(self) -> str:
        """Return the access token that a caller gets."""
        return self.ask().access_token.reveal()

    def tick(self) -> None:
        """Let the refresher look once."""
        self.refresher.tick()

    def health(self) -> OrganizationHealth:
        """Return what operators see of the one organization."""
        return self.broker.health()[0]


class Fleet:
    """Workers, the Redis and the Canvas that they share, and the time."""

    def __init__(
        self,
        workers: int = 1,
        *,
        retry: Retry = retry_definite,
        waiters: int = 32,
        allowed: CallLimits | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.server = MemoryServer(self.clock.redis, LIMITS)
        self.allowed = allowed or CallLimits()
        self.calls: FleetCalls = UnlimitedCalls()
        if allowed is not None:
            self.calls = MemoryFleetCalls(self.clock.redis, allowed, LIMITS)
        self.canvas = FakeCanvas(self.clock)
        self.spent: set[str] = set()
        self.broken: list[str] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.workers = [Worker(self, number, retry, waiters) for number in range(workers)]
        self.told: list[Change] = []
        self.configure({ACME: KEYS})

    def connect(self) -> None:
        """Let all workers hear of changes, by :meth:`tell`."""
        self.server.publish = self.told.append
        for worker in self.workers:
            worker.broker.changes.connected()

    def tell(self) -> None:
        """Let all workers hear what has changed since the last time, if anything has."""
        told, self.told[:] = list(self.told), []
        for worker in self.workers:
            worker.broker.changes.heard(told)

    def configure(self, keys: dict[str, Credentials]) -> None:
        """Give every worker these credentials."""
        for worker in self.workers:
            worker.broker.configure(keys)

    def run(self, seconds: float, *, asking: bool = False, telling: bool = False) -> None:
        """Let time pass, the refreshers ticking; with ``asking``, callers keep asking everybody.

        With ``telling``, changes are told.
        """
        until = self.clock.monotonic() + seconds
        while self.clock.monotonic() < until:
            self.clock.sleep(min(TICK, until - self.clock.monotonic()))
            if telling:
                self.tell()
            for worker in self.workers:
                worker.tick()
                if asking:
                    worker.ask()

    def shelf(self, keys: Credentials = KEYS, organization: str = ACME) -> Shelf:
        """Return what Redis holds."""
        return self.server.open(organization, keys).shelf

    def flush(self) -> None:
        """Let Redis forget everything."""
        self.server.shelves.clear()

    def fail_over(self, backup: dict[tuple[str, str], Shelf] | None = None) -> None:
        """Make another server answer, with all that the first one held or with ``backup``."""
        self.server.name += "'"
        if backup is not None:
            self.server.shelves = backup

    def backup(self) -> dict[tuple[str, str], Shelf]:
        """Return a copy of all that Redis holds."""
        return {key: replace(shelf) for key, shelf in self.server.shelves.items()}

    def check(self) -> None:
        """Fail if an invariant was broken on the way."""
        assert self.broken == []


def commit_elsewhere(fleet: Fleet, name: str = "elsewhere") -> None:
    """Commit a newer record behind all workers' backs, as one in another pod does."""
    store = fleet.server.open(ACME, KEYS)
    present = store.read(0)
    record = Record(
        generation=0,
        provisional=max(present.generation + 1, round((fleet.clock.redis() - 1) * 1e6)),
        access_token=Secret(f"access-{name}"),
        lifetime=600.0,
        expires_at=present.now + 600.0,
        margin=200.0,
        refresh_token=Secret(f"refresh-{name}"),
        refresh_expires_at=present.now + 86400.0,
    )
    store.commit(name, present.generation, record, None)


def make_stale(fleet: Fleet) -> None:
    """Give every worker a token and let it become stale, unseen by the refreshers."""
    for worker in fleet.workers:
        worker.ask()
    fleet.clock.sleep(420)
    fleet.canvas.calls.clear()
