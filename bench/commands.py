"""Round trips of the hot path, by counting: what Redis and Canvas are asked while tokens are fresh.

Looks at Redis go on while nobody asks, for organizations that were asked for a moment ago: so many
a second, whatever the load. What comes on top of them while it runs is the requests' own.
"""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bench.ground import Ground
from bench.report import Finding, Target, WrongAnswer
from bench.rounds import run_once
from bench.scene import Scene

LEAST = 0.5
"""A round trip for every second request would be one on the hot path beyond any doubt."""
ALLOWED = 0.01


@dataclass(frozen=True, slots=True)
class Counted:
    """What was asked up to an instant: scripts and all commands in Redis, calls of Canvas."""

    at: float
    scripts: int
    commands: int
    calls: int

    def since(self, before: "Counted") -> "Counted":
        """Return what came since; one command of ours was that count itself."""
        return Counted(
            self.at - before.at,
            self.scripts - before.scripts,
            self.commands - before.commands - 1,
            self.calls - before.calls,
        )


class Counter:
    """Reads the counters of the Redis and the Canvas of one scene."""

    def __init__(self, ground: Ground, scene: Scene) -> None:
        self._redis = ground.redis.client()
        self._scene = scene
        self.count()  # so that the commands of making the connection fall before what is counted

    def count(self) -> Counted:
        """Return what was asked up to now."""
        stats: Any = self._redis.info("commandstats")
        calls = {name: values["calls"] for name, values in stats.items()}
        scripts = calls.get("cmdstat_evalsha", 0) + calls.get("cmdstat_eval", 0)
        return Counted(time.monotonic(), scripts, sum(calls.values()), self._scene.calls())


def measure(ground: Ground) -> Finding:
    """Count while nobody asks, and under load."""
    plan = ground.plan
    with ExitStack() as stack:
        scene = stack.enter_context(ground.scene())
        load = ground.load()
        counter = Counter(ground, scene)
        candidate = scene.candidate("GET")
        run_once(candidate, load, plan.connections, plan.seconds)
        first = counter.count()
        time.sleep(max(1.0, plan.seconds))
        second = counter.count()
        run = run_once(candidate, load, plan.connections, plan.seconds)
        third = counter.count()
    return finding(second.since(first), third.since(second), run.outcome.completed)


def finding(idle: Counted, loaded: Counted, requests: int) -> Finding:
    """Return the table; raises :class:`~bench.report.WrongAnswer` for one round trip a request."""
    extra = max(0.0, loaded.scripts - idle.scripts * loaded.at / idle.at) / requests
    if extra > LEAST or loaded.calls > requests * LEAST:
        raise WrongAnswer(f"{extra:.2f} Redis scripts and {loaded.calls / requests:.2f} calls each")
    rows = [_row("nobody asks", idle, 0), _row("under load", loaded, requests)]
    return Finding(
        "commands",
        "Round trips while tokens are fresh",
        ("", "requests", "seconds", "Redis round trips/s", "Redis commands/s", "calls of Canvas"),
        rows,
        [
            Target(
                "Redis round trips for each GET, beyond those while nobody asks",
                f"{extra:.4f}",
                f"0 (<= {ALLOWED:g})",
                extra <= ALLOWED,
            ),
            Target("calls of Canvas under load", str(loaded.calls), "0", loaded.calls == 0),
        ],
        [
            "Round trips are scripts; commands are those inside the scripts as well.",
            "They come from the background look at Redis: so many a second, whatever the load.",
        ],
        {"idle": _figures(idle), "loaded": _figures(loaded), "requests": requests},
    )


def _row(name: str, counted: Counted, requests: int) -> list[str]:
    return [
        name,
        f"{requests:,}",
        f"{counted.at:.1f}",
        f"{counted.scripts / counted.at:.2f}",
        f"{counted.commands / counted.at:.1f}",
        str(counted.calls),
    ]


def _figures(counted: Counted) -> dict[str, float]:
    return {
        "seconds": counted.at,
        "scripts": counted.scripts,
        "commands": counted.commands,
        "calls": counted.calls,
    }
