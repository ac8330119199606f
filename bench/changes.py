"""What Redis is asked by a fleet, and how soon a new token is served everywhere."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.builds import Build
from bench.fleet import EndingCanvas, Fleet, both, fleet, slow
from bench.ground import Ground, wait_until
from bench.report import Finding, Target, WrongAnswer
from bench.scene import Script, ask
from bench.stats import percentile
from broker.emulator.canvas import Behaviour

WORKERS = 8
"""Brokers of one worker each: what Redis is asked grows with workers, however they are divided."""
SPAN = 5.0
"""Seconds in which each worker is asked for each organization once: all are in use."""
WARM_UP = 45.0
SAMPLES = 40
LONGEST = 5.0
CALLERS = 8
ANSWERS = 20_000
REFRESHES = 2
PACE = 0.025
"""Seconds between two calls of a caller: all together make that many in two refreshes."""
MOST_COMMANDS = 0.08
MOST_SCRIPTS = 0.1
MOST_DEAD = 3
SOON, LATE = 0.05, 1.0
WAITED_FOR = 32
SLOW = 10.0
"""Seconds that Canvas takes while others wait; longer than a call may last."""
SHORT = 75.0
"""Seconds that a token lives where two refreshes are waited for."""
_NO_PUBLISH = "bench-without"
_PASSWORD = "password"  # noqa: S105  # of a server that listens to this machine alone


def measure(ground: Ground) -> Finding:
    """Measure both builds, one after the other."""
    ours, theirs = ground.builds
    used, of_them = both(ground, commands)
    waiting, theirs_waiting = both(ground, scripts_while_waiting)
    heard = spread(ground)
    unheard = heard if ground.plan.quick else spread(ground, publishes=False)
    (dead, answers), (dead_there, answers_there) = both(ground, dead_tokens)
    soon, latest = percentile(heard, 95), percentile(heard, 100)
    without = percentile(unheard, 100)
    return Finding(
        "changes",
        f"What changes, {WORKERS} workers",
        ("", ours.name, theirs.name),
        [
            ["Redis commands/s, all in use", f"{used:,.0f}", f"{of_them:,.0f}"],
            ["Redis scripts/s, Canvas slow", f"{waiting:,.1f}", f"{theirs_waiting:,.1f}"],
            ["new token elsewhere, 95 % / 100 %", f"{soon:.3f} / {latest:.3f} s", ""],
            ["the same, PUBLISH forbidden, 100 %", f"{without:.3f} s", ""],
            ["dead tokens served", f"{dead} of {answers:,}", f"{dead_there} of {answers_there:,}"],
        ],
        [
            _at_most("Redis commands / other build", used / of_them, MOST_COMMANDS),
            _at_most("Redis scripts, Canvas slow", waiting / theirs_waiting, MOST_SCRIPTS),
            _at_most("new token elsewhere, 95 %", soon, SOON),
            _at_most("new token elsewhere, 100 %", latest, LATE),
            _at_most("the same, PUBLISH forbidden", without, LATE),
            _at_most(f"dead tokens of {ANSWERS:,}", dead * ANSWERS / answers, MOST_DEAD),
        ],
        [f"{ground.plan.organizations:,} organizations for the first row."],
        {"commands": [used, of_them], "heard": heard, "unheard": unheard},
    )


def _at_most(what: str, measured: float, most: float) -> Target:
    return Target(what, f"{measured:.3g}", f"<= {most:g}", measured <= most)


def commands(ground: Ground, build: Build) -> float:
    """Return the commands a second with every organization in use on every worker."""
    script = Script(build=build, organizations=ground.plan.organizations)
    quick = ground.plan.quick
    with fleet(ground, script, _workers(ground)) as running:
        running.wait_for_tokens()
        with asking_all(running):
            time.sleep(0 if quick else WARM_UP)
            before, began = sum(running.commands().values()), time.monotonic()
            wait_until(began, 1 if quick else 2 * WARM_UP)
            after = sum(running.commands().values()) - 1
            return (after - before) / (time.monotonic() - began)


def _workers(ground: Ground) -> int:
    return 2 if ground.plan.quick else WORKERS


@contextmanager
def asking_all(running: Fleet) -> Iterator[None]:
    """Ask every worker for each organization, again and again; raises where one gave none."""
    ended, wrong = threading.Event(), list[Exception]()

    def go_on() -> None:
        while not ended.is_set():
            began = time.monotonic()
            for broker in running.brokers:
                try:
                    running.ask_for_all(broker)
                except (OSError, WrongAnswer) as error:
                    wrong.append(error)
            ended.wait(max(0.0, began + SPAN - time.monotonic()))

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if wrong:
        raise WrongAnswer(f"{len(wrong)} times in use: {wrong[0]}")


def scripts_while_waiting(ground: Ground, build: Build) -> float:
    """Return the scripts a second while eight workers wait for a Canvas that does not answer."""
    script = Script(build=build, organizations=WAITED_FOR, workers=_workers(ground))
    with fleet(ground, script, before=slow(SLOW)) as running:
        while not running.scene.emulator.stats()["in_flight"]:
            time.sleep(0.01)
        time.sleep(1.5)  # every worker has found out by now
        before, began = running.commands(), time.monotonic()
        time.sleep(0.5 if ground.plan.quick else 3.0)
        after, took = running.commands(), time.monotonic() - began
    return (after.get("evalsha", 0) - before.get("evalsha", 0)) / took


def spread(ground: Ground, *, publishes: bool = True) -> list[float]:
    """Return the seconds until each other worker served a token that one had replaced."""
    settings, quick = {}, ground.plan.quick
    if not publishes:
        with ground.redis.client() as client:
            rights = ("~*", "&*", "+@all", "-publish")
            client.execute_command(
                "ACL", "SETUSER", _NO_PUBLISH, "reset", "on", f">{_PASSWORD}", *rights
            )
        there = f"{_NO_PUBLISH}:{_PASSWORD}@"
        settings = {"BROKER_REDIS_URL": ground.redis.url.replace("://", f"://{there}")}
    samples = 1 if quick else SAMPLES
    script = Script(organizations=samples, settings=settings)
    with fleet(ground, script, _workers(ground)) as running:
        running.wait_for_tokens()
        with asking_all(running):
            wait_until(
                time.monotonic(), 11.0
            )  # the youngest token whose report is believed is 10 s old
            return [s for name in running.names for s in _spread_of(running, name)]


def _spread_of(running: Fleet, name: str) -> list[float]:
    first, *waiting = running.brokers
    before = running.generation(first, name)
    while (new := running.generation(first, name, f"&rejected={before}")) <= before:
        time.sleep(0.01)
    began, found = time.monotonic(), list[float]()
    while waiting and time.monotonic() < began + LONGEST:
        for broker in list(waiting):
            if running.generation(broker, name) >= new:
                waiting.remove(broker)
                found.append(time.monotonic() - began)
    return found + [LONGEST] * len(waiting)


def dead_tokens(ground: Ground, build: Build) -> tuple[int, int]:
    """Return how many tokens were dead when they were served, and how many were served.

    Canvas ends the token before at each refresh; each answer is tried as soon as it is there.
    """
    lives = Behaviour(access_lifetime_authenticate=SHORT, access_lifetime_refresh=SHORT)
    script = Script(build=build, workers=2, behaviour=lives, canvas=EndingCanvas)
    alive: list[bool] = []
    with fleet(ground, script, 2) as running:
        running.wait_for_tokens()
        canvas, ended = running.scene.emulator.canvas, threading.Event()

        def call(number: int) -> None:
            broker = running.brokers[number % 2]
            while not ended.is_set():
                reply = ask(broker.port, "/token?organization=org-0", {})
                alive.append(canvas.whoami(reply.json()["access_token"]))
                ended.wait(PACE)

        callers = [threading.Thread(target=call, args=(n,)) for n in range(CALLERS)]
        for caller in callers:
            caller.start()
        try:
            until = time.monotonic() + 4 * SHORT
            while not ground.plan.quick and time.monotonic() < until:
                calls: int = running.scene.calls()
                if calls > REFRESHES and len(alive) >= ANSWERS:
                    break
                time.sleep(0.1)
            time.sleep(1.0)
        finally:
            ended.set()
            for caller in callers:
                caller.join()
    return alive.count(False), len(alive)
