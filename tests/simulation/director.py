"""Injects faults as the seed says, then heals everything and looks whether all is well again."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from broker.emulator.canvas import Behaviour, Sessions
from tests.simulation.canvas import FAULTS, KEYS_REFUSED
from tests.simulation.feed import Weather
from tests.simulation.hostile import Writer
from tests.simulation.redis import HISTORY, Reach
from tests.simulation.scheduler import Process
from tests.simulation.world import LIMITS, World

RECOVERY = 75.0
SEEN_WITHIN = 20.0
"""Seconds until every host has seen that files were written anew."""
KEPT = 0.5
"""Part of the cuts of the feed after which it is still allowed."""
LARGEST_SKEW = 600.0
LARGEST_STEP = 600.0
LONG_PAUSE = LIMITS.lease - LIMITS.deadline
LIFETIMES = (60.0, 90.0, 300.0, 600.0, 899.0)


def behaviour_of(world_seed: int) -> Behaviour:
    """Return one of the ways in which Canvas may behave where its vendor is silent."""
    return Behaviour(
        access_lifetime_authenticate=LIFETIMES[world_seed % len(LIFETIMES)],
        access_lifetime_refresh=LIFETIMES[world_seed // 2 % len(LIFETIMES)],
        refresh_lifetime=(86400.0, 1200.0)[world_seed // 3 % 2],
        sessions=(Sessions.MANY, Sessions.SINGLE)[world_seed // 4 % 2],
        grace=(0.0, 30.0)[world_seed // 5 % 2],
        reuse_revokes_family=world_seed % 3 == 0,
    )


class Director:
    """Plays one run: ``episodes`` of one or two faults each, with quiet between them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = world.scheduler.random
        self._stage = Process("director")
        self._heals = 0
        self._faulty: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._refusing = False
        self._clocks_wrong = True
        self._writer: Writer | None = None
        world.canvas.draw = self._draw
        self._acts: list[Callable[[], None]] = [
            self._canvas_flaky,
            self._canvas_out,
            self._redis_hung,
            self._redis_down,
            self._redis_flushed,
            self._redis_restarted,
            self._redis_failed_over,
            self._redis_clock_stepped,
            self._redis_clock_stepped,
            self._replies_lost,
            self._duplicates,
            self._worker_paused,
            self._worker_crashed,
            self._credentials_replaced,
            self._tokens_revoked,
            self._lives_short,
            self._date_wrong,
            self._tick_broken,
            self._feed_cut,
            self._feed_disturbed,
        ]

    def play(self, episodes: int) -> None:
        """Run it to its end, all tasks ended."""
        world = self._world
        world.start()
        world.run(self._chance.uniform(1, 60))
        for _ in range(episodes):
            if self._refusing:
                self._keys_refused()
            if self._writer:
                self._write_to_redis(self._writer)
            for _ in range(self._chance.choice([1, 1, 2])):
                self._chance.choice(self._acts)()
                world.run(self._chance.choice([0.0, 0.3, 3.0]))
            world.run(self._chance.choice([5.0, 30.0, 120.0, 400.0]))
            self._heal()
            world.run(RECOVERY)
            world.check_fresh()
            if world.watch.violations:
                break
        world.scheduler.close()

    def _draw(self, organization: str) -> str:
        probability, kinds = self._faulty.get(organization, (0.0, ()))
        return self._chance.choice(kinds) if self._chance.random() < probability else ""

    def _heal(self) -> None:
        world = self._world
        world.watch.note("healed")
        world.watch.at_next_call.clear()
        self._heals += 1
        self._faulty.clear()
        if self._writer:
            self._writer.active = False
        world.redis.reach = Reach.UP
        world.redis.lost_replies = world.redis.duplicates = 0.0
        world.redis.channel.weather = replace(world.weather)
        canvas = world.canvas.canvas
        canvas.behaviour = replace(world.behaviour)
        for worker in world.fleet:
            worker.process.paused_until = min(worker.process.paused_until, world.scheduler.now)
            if worker.versions != world.versions:
                worker.load()

        if self._refusing:
            self._write_anew()

    def refuse_keys(self) -> None:
        """Let Canvas refuse the right keys in each episode; then the operator writes them anew."""
        self._refusing = True

    def admit_writer(self, what: str) -> None:
        """Let somebody write to Redis in each episode; its clock is right and nobody sets it.

        What a record's end rests on where the clock was set lies open in Redis: a writer may forge
        it just then.
        """
        self._world.watch.hostile = True
        self._writer, self._clocks_wrong = Writer(self._world.redis, what), False
        self._acts = [one for one in self._acts if one != self._redis_clock_stepped]

    def _write_to_redis(self, writer: Writer) -> None:
        targets = self._some()
        self._trouble(targets)
        writer.begin(targets, self._chance.choice([0.2, 1.0, 5.0]))

    def _keys_refused(self) -> None:
        self._world.watch.inject("canvas-refuses keys")
        names = self._some()
        self._trouble(names)
        for name in names:
            self._faulty[name] = (self._chance.choice([0.5, 1.0]), (KEYS_REFUSED,))

    def _write_anew(self) -> None:
        """Each host sees the files change at another moment."""
        self._world.writings.update(self._world.organizations)
        for worker in self._world.fleet:
            self._later(self._chance.uniform(0, SEEN_WITHIN), worker.load)

    def _later(self, delay: float, work: Callable[[], None]) -> None:
        def wait_and_work() -> None:
            self._world.scheduler.sleep(delay)
            work()

        self._world.scheduler.spawn(self._stage, "act", wait_and_work)

    def _some(self) -> tuple[str, ...]:
        names = self._world.organizations
        return self._chance.choice([names, names[:1], names[-1:]])

    def _trouble(self, names: tuple[str, ...]) -> None:
        """Note that these organizations may now fail; no other may."""
        self._world.watch.troubled.update(names)

    def _canvas_flaky(self) -> None:
        kinds = tuple(self._chance.sample(FAULTS, 4))
        self._world.watch.inject(f"canvas-flaky {kinds}")
        names = self._some()
        self._trouble(names)
        for name in names:
            self._faulty[name] = (self._chance.choice([0.3, 0.8]), kinds)

    def _canvas_out(self) -> None:
        kind = self._chance.choice(["internal", "refused", "lost_request", "slow", "throttled"])
        self._world.watch.inject(f"canvas-out {kind}")
        names = self._some()
        self._trouble(names)
        for name in names:
            self._faulty[name] = (1.0, (kind,))

    def _redis_hung(self) -> None:
        self._reach(Reach.HUNG, self._chance.choice([0.4, 3.0, 20.0]))

    def _redis_down(self) -> None:
        self._reach(Reach.DOWN, self._chance.choice([0.4, 3.0, 60.0, 200.0]))

    def _reach(self, reach: Reach, seconds: float) -> None:
        redis = self._world.redis
        self._world.watch.inject(f"redis-{reach} for {seconds} s")
        redis.reach = reach

        def back() -> None:
            redis.reach = Reach.UP

        self._later(seconds, back)

    def _redis_flushed(self) -> None:
        self._world.watch.inject("redis-flushed")
        self._world.redis.flush()

    def _redis_restarted(self) -> None:
        self._world.watch.inject("redis-restarted empty")
        self._world.redis.restart_empty()

    def _redis_failed_over(self) -> None:
        lag = self._chance.uniform(0, HISTORY - 0.5)
        error = self._clocks_wrong * self._chance.uniform(-LARGEST_SKEW, LARGEST_SKEW)
        self._world.watch.inject(f"redis-failover losing {lag:.2f} s, clock {error:+.0f} s")
        self._world.redis.fail_over(lag, error)

    def _redis_clock_stepped(self) -> None:
        """Step at once, some time later, or in the middle of the next call to Canvas."""
        step = self._chance.uniform(-LARGEST_STEP, LARGEST_STEP)
        match self._chance.randrange(3):
            case 0:
                self._step_clock(step)
            case 1:
                self._step_clock_later(self._chance.uniform(0, 60), step)
            case _:
                self._step_clock_in_the_next_call(step)

    def _step_clock(self, seconds: float) -> None:
        self._world.watch.inject(f"redis-clock stepped by {seconds:+.1f} s")
        self._world.redis.step_clock(seconds)

    def _step_clock_later(self, delay: float, seconds: float) -> None:
        """Set it after a while, unless all is healed by then."""
        heals = self._heals

        def strike() -> None:
            if heals == self._heals:
                self._step_clock(seconds)

        self._later(delay, strike)

    def _step_clock_in_the_next_call(self, seconds: float) -> None:
        """Set Redis's clock while a process talks to Canvas."""
        strike = partial(self._step_clock_later, self._chance.uniform(0, 0.3), seconds)
        self._world.watch.at_next_call.append(strike)

    def step_clock_in_a_slow_call(self, seconds: float) -> None:
        """Set it while a process waits for Canvas in vain, so that others look meanwhile."""
        names = self._world.organizations
        self._trouble(names)
        self._faulty = dict.fromkeys(names, (1.0, ("slow",)))
        self._step_clock_in_the_next_call(seconds)
        self._world.watch.at_next_call.append(self._faulty.clear)

    def _replies_lost(self) -> None:
        self._world.watch.inject("redis-replies lost")
        self._world.redis.lost_replies = self._chance.choice([0.02, 0.3])

    def _duplicates(self) -> None:
        self._world.watch.inject("redis-duplicates")
        self._world.redis.duplicates = 0.3

    def _feed_cut(self) -> None:
        """End all subscriptions; some are not allowed any more."""
        channel = self._world.redis.channel
        allowed = self._chance.random() < KEPT
        self._world.watch.inject(f"feed-cut {allowed=}")
        channel.weather = replace(channel.weather, allowed=allowed and channel.weather.allowed)
        channel.cut()

    def _feed_disturbed(self) -> None:
        """Lose, double and delay messages; those that are late are in another order."""
        lost, doubled, late = (self._chance.choice([0.0, 0.1, 0.5, 1.0]) for _ in range(3))
        channel = self._world.redis.channel
        channel.weather = Weather(lost, doubled, late, channel.weather.allowed)
        self._world.watch.inject(f"feed-disturbed {channel.weather}")

    def _worker_paused(self) -> None:
        worker = self._chance.choice(self._world.fleet)
        seconds = self._chance.choice([1.0, 10.0, 30.0, 100.0])
        self._world.watch.inject(f"paused {worker.name} for {seconds} s")
        if seconds > LONG_PAUSE:
            self._world.watch.allow_two_in_flight = True
        worker.process.paused_until = self._world.scheduler.now + seconds

    def pause_next_holder(self) -> None:
        """Stop the next process that talks to Canvas, for longer than its lease."""
        watch = self._world.watch
        watch.allow_two_in_flight = True

        def lie_in_wait() -> None:
            while not (talking := watch.talking()):
                self._world.scheduler.sleep(0.01)
            watch.inject(f"paused {talking[0].name} while it talks to Canvas")
            talking[0].paused_until = self._world.scheduler.now + LIMITS.lease * 2

        self._world.scheduler.spawn(self._stage, "act", lie_in_wait)

    def _worker_crashed(self) -> None:
        worker = self._chance.choice(self._world.fleet)
        self._world.watch.inject(f"crashed {worker.name}")
        self._world.crash(worker)

    def _credentials_replaced(self) -> None:
        name = self._chance.choice(self._world.organizations)
        versions = self._world.versions
        versions[name] = versions[name] % 5 + 1
        self._world.watch.inject(f"credentials of {name} replaced")
        for worker in self._world.fleet:
            self._later(self._chance.uniform(0, 60), worker.load)

    def _tokens_revoked(self) -> None:
        name = self._chance.choice(self._world.organizations)
        self._world.watch.inject(f"revoked all tokens of {name}")
        self._world.canvas.canvas.revoke_organization(name)

    def _lives_short(self) -> None:
        self._world.watch.inject("short lives")
        self._trouble(self._world.organizations)
        canvas = self._world.canvas.canvas
        short = self._chance.choice([3.0, 20.0, 44.0])
        canvas.behaviour = replace(
            canvas.behaviour, access_lifetime_authenticate=short, access_lifetime_refresh=short
        )

    def _date_wrong(self) -> None:
        shift = self._chance.uniform(-LARGEST_SKEW, LARGEST_SKEW)
        self._world.watch.inject(f"date wrong by {shift:+.0f} s")
        self._trouble(self._world.organizations)
        canvas = self._world.canvas.canvas
        canvas.behaviour = replace(canvas.behaviour, date_shift=shift)

    def _tick_broken(self) -> None:
        worker = self._chance.choice(self._world.fleet)
        self._world.watch.inject(f"tick of {worker.name} broken once")
        worker.break_tick()
