"""Hosts with wrong clocks, worker processes, one Redis, one Canvas, and callers who keep asking."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from broker.credentials import Credentials
from broker.emulator.canvas import Behaviour
from broker.errors import UnavailableError
from broker.fleet_calls import CallLimits
from broker.limits import Limits
from broker.observer import (
    AnswerFlawed,
    CallFailed,
    CallSucceeded,
    Crashed,
    Event,
    FeedDown,
    FeedUp,
    HeldBack,
    LeaseHeld,
    StoreDamaged,
    StoreFailed,
    StoreRecovered,
    TokenCommitted,
    TokenReported,
    WaitRefused,
)
from broker.policy.answers import Served
from broker.policy.broker import Broker
from broker.policy.calls import Calls
from broker.policy.lease import Tools
from broker.policy.refresher import Refresher
from broker.secret import Secret
from broker.store.breaker import Breaker
from broker.tokens import Record, State, floor_of
from broker.upstream.retry import LeaseRetry
from tests.simulation.canvas import SimCanvas, SimUpstream
from tests.simulation.feed import SimSubscription, Weather
from tests.simulation.invariants import SETTLE, Watch
from tests.simulation.redis import EPOCH, SimFleetCalls, SimRedis, SimStores
from tests.simulation.scheduler import Process, Scheduler, Signal

LIMITS = Limits()
SLACK = 1.0
WAITERS = 16
LATER_LIFE = "'"
"""Ends the name of a process, once for each that was in its place before."""


def keys_of(organization: str, version: int) -> Credentials:
    """Return made-up credentials of an organization; another version is another pair of keys."""
    digits = f"{organization}-{version}".encode().hex()
    return Credentials(
        Secret(digits.ljust(64, "0")), Secret(f"00000000-0000-4000-8000-{digits[:12]:0>12}")
    )


@dataclass
class HostClock:
    """Implements :class:`broker.clock.Clock`: an origin of its own and a wall clock that is off."""

    scheduler: Scheduler
    origin: float
    skew: float

    def monotonic(self) -> float:
        """Return virtual seconds from this host's origin."""
        return self.origin + self.scheduler.now

    def wall(self) -> float:
        """Return what this host takes for Unix time."""
        return EPOCH + self.scheduler.now + self.skew

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.scheduler.sleep(seconds)


@dataclass
class SimRuntime:
    """Implements :class:`broker.ports.Runtime` for one process."""

    scheduler: Scheduler
    process: Process
    attempts: int = 0

    def spawn(self, work: Callable[[], None]) -> None:
        """Run ``work`` as a thread of the process."""
        self.scheduler.spawn(self.process, "flight", work)

    def spawn_sweep(self, work: Callable[[], None]) -> None:
        """Run ``work`` as another thread of the process."""
        self.scheduler.spawn(self.process, "sweep", work)

    def signal(self) -> Signal:
        """Return a signal in virtual time."""
        return Signal(self.scheduler)

    def random(self) -> float:
        """Return what the seed says."""
        return self.scheduler.random.random()

    def attempt_id(self) -> str:
        """Return a name that says whose attempt it is."""
        self.attempts += 1
        return f"{self.process.name}#{self.attempts}"


NOTED: Mapping[type[Event], str] = {
    CallSucceeded: "{0.organization} {0.kind} gave a pair ({0.seconds:.1f} s)",
    CallFailed: "{0.organization} {0.kind} failed: {0.error.kind}",
    HeldBack: "{0.organization} {0.kind} held back for {0.seconds:.1f} s",
    AnswerFlawed: "{0.organization} flaw: {0.flaw} (known={0.known})",
    TokenCommitted: "{0.organization} committed {0.generation}",
    TokenReported: "{0.organization} reported: {0.status}",
    WaitRefused: "{0.organization} has no place to wait",
    LeaseHeld: "{0.organization} lease held for {0.seconds:.1f} s",
    StoreFailed: "{0.organization} redis failed: {0.reason}",
    StoreRecovered: "{0.organization} redis works again",
    StoreDamaged: "{0.organization} damaged: {0.damage.part} {0.damage.defect}",
    FeedUp: "hears of changes",
    FeedDown: "hears of no changes: {0.reason}",
}
"""What the timeline says of each event; how long a request took is checked as a whole."""


@dataclass
class Observed:
    """Implements :class:`broker.observer.Observer` by notes in the timeline."""

    watch: Watch
    process: str
    lives_are_good: Callable[[], bool]

    def handle(self, event: Event) -> None:
        """Note it, and check how many commits there are, where none is a failure by its life.

        Also 16: no organization takes the places of one that nothing is wrong with. Nothing is
        unforeseen but the tick that the director breaks.
        """
        if type(event) in NOTED:
            self.watch.note(f"{self.process}: {NOTED[type(event)].format(event)}")
        match event:
            case TokenCommitted(organization) if self.lives_are_good():
                self.watch.renewed(self.process, organization)
            case WaitRefused(organization) if organization not in self.watch.troubled:
                self.watch.broken(16, f"{self.process} had no place for {organization}")
            case Crashed(_, error) if not isinstance(error, BrokenTickError):
                self.watch.broken(12, f"{self.process} met {type(error).__name__}: {error}")


class BrokenTickError(Exception):
    """What a broken tick raises."""


@dataclass(eq=False)
class Worker:
    """One worker process, as the application factory builds it, on simulated parts."""

    world: "World"
    name: str
    process: Process = field(init=False)

    def __post_init__(self) -> None:
        world, chance = self.world, self.world.scheduler.random
        self.process = Process(self.name)
        self.clock = HostClock(
            world.scheduler, chance.uniform(0, 1e6), chance.uniform(-world.skew, world.skew)
        )
        runtime = SimRuntime(world.scheduler, self.process, attempts=world.next_life())
        upstream = SimUpstream(world.canvas, self.process, self.clock, LIMITS)
        observer = Observed(world.watch, self.name, world.lives_are_good)
        breaker = Breaker(self.clock, LIMITS.revalidate)
        stores = SimStores(world.redis, breaker)
        retry = LeaseRetry(LIMITS, self.clock)
        fleet = SimFleetCalls(world.redis, breaker)
        calls = Calls(fleet, self.clock, runtime.attempt_id(), world.allowed)
        tools = Tools(LIMITS, self.clock, runtime, upstream, retry, observer, calls)
        self.broker = Broker(tools, stores, keep_warm=world.keep_warm, waiters=WAITERS)
        self._break_tick = False
        self._tick_of_broker = self.broker.tick
        self.broker.tick = self._tick  # type: ignore[method-assign] # the fault comes in here
        self.refresher = Refresher(self.broker, self.clock, observer)
        self.versions: dict[str, int] = {}
        self.loaded = 0.0

    def start(self) -> None:
        """Load the credentials now in force and start the threads."""
        self.load()
        self.world.scheduler.spawn(self.process, "refresher", self._refresh)
        channel, changes = self.world.redis.channel, self.broker.changes
        feed = SimSubscription(self.world.scheduler, self.process, channel, changes)
        self.world.scheduler.spawn(self.process, "feed", feed.run)
        for number in range(self.world.callers):
            self.world.scheduler.spawn(self.process, f"caller-{number}", self._keep_asking)

    def load(self) -> None:
        """Take over the credentials now in force."""
        self.loaded = self.world.scheduler.now
        self.versions = dict(self.world.versions)
        self.broker.configure({name: self._keys(name, v) for name, v in self.versions.items()})

    def _keys(self, organization: str, version: int) -> Credentials:
        """Return the keys as this host's files give them; only those written anew have a name."""
        number = self.world.writings.get(organization)
        writing = f"{self.name.strip(LATER_LIFE)}/{number}" if number else ""
        return replace(keys_of(organization, version), writing=writing)

    def break_tick(self) -> None:
        """Let the next tick of the refresher raise what nobody foresaw."""
        self._break_tick = True

    def _tick(self) -> None:
        if self._break_tick:
            self._break_tick = False
            raise BrokenTickError
        self._tick_of_broker()

    def _refresh(self) -> None:
        """Run the refresher; its end while the process lives is invariant 12 broken."""
        try:
            self.refresher.run()
        except BrokenTickError:
            self.world.watch.broken(12, f"the refresher of {self.name} is dead")

    def _keep_asking(self) -> None:
        chance = self.world.scheduler.random
        while True:
            self.world.scheduler.sleep(chance.uniform(0.2, 2.0) * self.world.pause)
            organization = chance.choice(list(self.versions))
            rejected = self._rejected(organization)
            self.ask(organization, rejected=rejected)

    def _rejected(self, organization: str) -> int | None:
        """Report a token that Canvas revoked before its end, as a caller does who got a 401."""
        copy = self.broker._organizations[organization].copy  # what the caller was given
        if copy is None:
            return None
        token = copy.record.access_token.reveal()
        expired = self.world.watch.issued[token].expires <= self.world.scheduler.now
        if expired or self.world.canvas.canvas.whoami(token):
            return None
        return copy.record.generation

    def ask(
        self, organization: str, *, rejected: int | None = None, caller: str = "app"
    ) -> Served | None:
        """Ask for a token and check what comes."""
        world, watch = self.world, self.world.watch
        before = world.scheduler.now
        paused = self.process.paused_until
        had = self._must_serve(organization)
        served: Served | None = None
        try:
            served = self.broker.token(organization, caller=caller, rejected=rejected)
            watch.answers["200"] += 1
        except UnavailableError as error:
            watch.answers[type(error).__name__] += 1
            watch.told(f"{error!r} {error.__context__!r}")
            if had and rejected is None and self.process.paused_until == paused:
                watch.broken(4, f"{self.name} refused {organization}: {type(error).__name__}")
        if self.process.paused_until == paused:
            watch.took(self.name, world.scheduler.now - before)
        if served is not None and self.process.paused_until == paused:
            self._check(served, rejected)
        return served

    def _must_serve(self, organization: str) -> bool:
        """Tell whether this process holds a token with more than the floor left."""
        copy = self.broker._organizations[organization].copy
        if copy is None:
            return False
        issued = self.world.watch.issued[copy.record.access_token.reveal()]
        known = copy.remaining(self.clock.monotonic())
        left = min(known, issued.expires - self.world.scheduler.now)
        return left > max(LIMITS.dead, floor_of(copy.record.margin, LIMITS)) + SLACK

    def _check(self, served: Served, rejected: int | None) -> None:
        token = served.access_token.reveal()
        watch = self.world.watch
        watch.served(self.name, served.organization, token, served.generation)
        if served.generation == rejected:
            watch.broken(8, f"{self.name} gave the refused generation back")
        self.world.check_version(self, served.organization, token)


@dataclass
class World:
    """One run. ``seed`` decides everything that the arguments leave open."""

    seed: int
    workers: int = 4
    organizations: tuple[str, ...] = ("acme", "bolt")
    behaviour: Behaviour = field(default_factory=Behaviour)
    callers: int = 2
    pause: float = 1.0
    skew: float = 600.0
    keep_warm: float = 1e9
    allowed: CallLimits = field(default_factory=CallLimits)
    weather: Weather = field(default_factory=Weather)

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self.seed)
        self.watch = Watch(self.scheduler)
        self.redis = SimRedis(self.scheduler, LIMITS, self.watch, self.allowed)
        self.redis.channel.weather = replace(self.weather)
        versions = range(1, 6)
        keys = {
            keys_of(name, v).consumer.reveal(): keys_of(name, v).secret_key.reveal()
            for name in self.organizations
            for v in versions
        }
        names = {
            keys_of(name, v).consumer.reveal(): name
            for name in self.organizations
            for v in versions
        }
        self.canvas = SimCanvas(self.scheduler, self.watch, keys, names, self.behaviour)
        self.versions = dict.fromkeys(self.organizations, 1)
        self.writings: Counter[str] = Counter()
        self._lives = 0
        self._newest_since: dict[tuple[str, int], float] = {}
        self.fleet = [Worker(self, f"w{number}") for number in range(self.workers)]

    def next_life(self) -> int:
        """Return where a new process begins to number its attempts, so that none repeats."""
        self._lives += 1
        return self._lives * 1_000_000

    def start(self) -> None:
        """Start every worker."""
        for worker in self.fleet:
            worker.start()

    def run(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.scheduler.run(self.scheduler.now + seconds)

    def crash(self, worker: Worker) -> None:
        """End a process without warning, and start a new one in its place."""
        worker.process.alive = False
        fresh = Worker(self, f"{worker.name}{LATER_LIFE}")
        fresh.process.born = self.scheduler.now
        self.fleet[self.fleet.index(worker)] = fresh
        fresh.start()

    def lives_are_good(self) -> bool:
        """Tell whether each token that Canvas gives now lives long enough for a success."""
        behaviour = self.canvas.canvas.behaviour
        lives = behaviour.access_lifetime_authenticate, behaviour.access_lifetime_refresh
        return behaviour.date_shift == 0 and min(lives) > LIMITS.short_life

    def check_version(self, worker: Worker, organization: str, token: str) -> None:
        """Check 6: while a record of new credentials is fresh, the old one's is not served.

        A dead or dying one displaces nobody's valid token: the new keys are due for another.
        """
        version = worker.versions[organization]
        key = (organization, keys_of(organization, version).version)
        shelf = self.redis.server.shelves.get(key)
        record = shelf.record if shelf and not self.watch.hostile else None
        now = self.scheduler.now + SETTLE
        if record is None or now > self._end_of(record) - record.margin:
            self._newest_since.pop((organization, version), None)
            return
        since = self._newest_since.setdefault((organization, version), self.scheduler.now)
        issued = self.watch.issued[token]
        old = issued.consumer != keys_of(organization, version).consumer.reveal()
        known = worker.broker._organizations[organization]
        looked = known.looked - worker.clock.origin
        if old and known.store_fault is None and looked > max(since, worker.loaded) + SETTLE:
            self.watch.broken(6, f"{worker.name} served a token of old keys for {organization}")

    def _end_of(self, record: Record) -> float:
        return self.watch.issued[record.access_token.reveal()].expires

    def check_fresh(self) -> None:
        """Check 9: everything is well again; every worker has a token that is not stale."""
        for worker in self.fleet:
            self.watch.told(repr(worker.broker.health()))
            for name, organization in worker.broker._organizations.items():
                state = organization.state(worker.clock.monotonic())
                if state not in {State.FRESH, State.STALE}:
                    self.watch.broken(9, f"{worker.name} is {state} for {name}")

    def describe(self) -> str:
        """Return what to print when a run fails."""
        lines = [f"seed {self.seed}, {replace(self.behaviour)}"]
        lines += [
            f"invariant {v.invariant}: {v.sentence} at {v.at:.3f}" for v in self.watch.violations
        ]
        return "\n".join([*lines, self.watch.story()])
