"""Connections that say nothing: what ten thousand of them cost, and that each is still served."""

import socket
import time
from contextlib import ExitStack

from bench.builds import PRESENT
from bench.ground import Ground
from bench.probes import Probes
from bench.processes import cpu_seconds, memory
from bench.report import Finding, Target, WrongAnswer
from bench.scene import Scene, Script

CONNECTIONS, SECONDS = 9990, 10.0
"""Ten less than a worker takes, so that probes find a place."""
MOST = 0.25
_LONGEST = 65536
_ANSWER_LIMIT = 10.0


def measure(ground: Ground) -> Finding:
    """Hold them, probe meanwhile, then have each ask once."""
    number, seconds = (50, 0.5) if ground.plan.quick else (CONNECTIONS, SECONDS)
    with ground.scene(Script(build=PRESENT)) as scene, ExitStack() as stack:
        workers = scene.broker.workers()
        served(scene, 1, stack)
        before = memory(workers[0]).rss
        held = opened(scene, number, stack)
        with Probes(scene) as probes:
            began = cpu_seconds(workers)
            time.sleep(seconds)
            spent = (cpu_seconds(workers) - began) / seconds
        grown = memory(workers[0]).rss - before
        answered = ask(scene, held)
    if answered != number or probes.failures:
        raise WrongAnswer(f"idle: {answered} of {number} answered, {probes.failures}")
    each = grown / number
    return Finding(
        "idle",
        "Idle connections",
        ("connections", "KB each", "of a core", "slowest probe ms", "answered afterwards"),
        [
            [
                f"{number:,}",
                f"{each:.1f}",
                f"{spent:.1%}",
                f"{probes.slowest * 1000:.0f}",
                f"{answered:,}",
            ]
        ],
        [
            Target(
                f"{number:,} idle connections: slowest probe",
                f"{probes.slowest:.2f} s, none failed",
                f"<= {MOST:g} s, none failed",
                probes.slowest <= MOST,
            )
        ],
        ["Probes come from the process that holds the connections; the rest is the broker's."],
        {"kilobytes": each, "share": spent, "probes": dict(probes.seconds)},
    )


def opened(scene: Scene, number: int, stack: ExitStack) -> list[socket.socket]:
    """Return so many connections, which say nothing."""
    address = "127.0.0.1", scene.broker.port
    return [
        stack.enter_context(socket.create_connection(address, timeout=_ANSWER_LIMIT))
        for _ in range(number)
    ]


def served(scene: Scene, number: int, stack: ExitStack) -> None:
    """Have so many connections answered once."""
    if ask(scene, opened(scene, number, stack)) != number:
        raise WrongAnswer("idle: the first request was not answered")


def ask(scene: Scene, held: list[socket.socket]) -> int:
    """Ask for a token on each; return how many got one."""
    request = scene.gets()[0]
    for connection in held:
        connection.sendall(request)
    return sum(connection.recv(_LONGEST).startswith(b"HTTP/1.1 200 ") for connection in held)
