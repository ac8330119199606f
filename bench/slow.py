"""Clients that begin and never end: how long probes and callers beside them wait.

Each sends a part of a request, or of a TLS hello, and then nothing; when it is cut it begins anew.
"""

import asyncio
import ssl
import threading
import time
from contextlib import suppress
from itertools import cycle, islice
from typing import Self

from bench.builds import PRESENT, Build
from bench.engine import client_of
from bench.ground import Ground
from bench.probes import HEALTH, TOKEN, Probes
from bench.report import Finding, Target, WrongAnswer
from bench.scene import Script

SENDERS, SECONDS = 620, 35.0
MOST = 0.25
_POST = b"POST /token HTTP/1.1\r\nHost: broker\r\nContent-Length: 29\r\n"
PARTS = (
    b"GET /token HTTP/1.1\r\nHost: broker\r\nX-Slow: ",
    _POST + b"\r\ngrant",
    _POST + b"Expect: 100-continue\r\n\r\n",
)
HELLO = b"\x16\x03\x01"
_PAUSE = 0.05
_PATHS = (*HEALTH, TOKEN)


class SlowSenders:
    """Keeps so many connections open, each of its kind, until the end of the ``with`` block."""

    def __init__(self, port: int, authority: str | None, number: int) -> None:
        tls = client_of(authority)
        kinds: list[tuple[bytes, ssl.SSLContext | None]] = [(part, tls) for part in PARTS]
        if tls is not None:
            kinds.append((HELLO, None))
        self._port = port
        self._kinds = list(islice(cycle(kinds), number))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="slow senders")
        self.connected = 0

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._all)

    async def _send_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for part, tls in self._kinds:
                group.create_task(self._send(part, tls))

    async def _send(self, part: bytes, tls: ssl.SSLContext | None) -> None:
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=tls)
                self.connected += 1
                try:
                    writer.write(part)
                    while await reader.read(4096):
                        pass
                finally:
                    writer.close()
            await asyncio.sleep(_PAUSE)

    def __enter__(self) -> Self:
        self._all = self._loop.create_task(self._send_all())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._all.cancel)
        self._thread.join()
        self._loop.close()


def measure(ground: Ground) -> Finding:
    """Try both builds, with TLS and without; for right answers the present one is enough."""
    builds = ground.builds[:1] if ground.plan.quick else ground.builds
    found = {
        (build.name, tls): _try(ground, build, tls=tls) for tls in (False, True) for build in builds
    }
    return Finding(
        "slow",
        "Slow senders",
        ("", "", *(f"slowest {path} s" for path in _PATHS), "failed"),
        [_row(name, probes, tls=tls) for (name, tls), probes in found.items()],
        [
            target
            for (name, tls), probes in found.items()
            if name == PRESENT.name
            for target in targets(probes, _port(tls=tls))
        ],
        [
            f"{SENDERS} clients for {SECONDS:g} s: half a head, half a body, none after the 100.",
            "With TLS also three bytes of a hello.",
        ],
        {f"{name}, {_port(tls=tls)}": dict(one.seconds) for (name, tls), one in found.items()},
    )


def _try(ground: Ground, build: Build, *, tls: bool) -> Probes:
    quick = ground.plan.quick
    with ground.scene(Script(build=build, tls=tls)) as scene:
        number, seconds = (20, 1.0) if quick else (SENDERS, SECONDS)
        senders = SlowSenders(scene.broker.port, scene.authority, number)
        with senders, Probes(scene, _PATHS) as probes:
            time.sleep(seconds)
    if quick and (probes.failures or senders.connected < number):
        raise WrongAnswer(f"slow senders: {probes.failures}, {senders.connected} connected")
    return probes


def targets(probes: Probes, port: str) -> list[Target]:
    """Return what is to be reached: nobody waits, and nobody fails."""
    return [
        Target(
            f"slow senders, {port}: slowest answer",
            f"{probes.slowest:.2f} s, {len(probes.failures)} failed",
            f"<= {MOST:g} s, none failed",
            probes.slowest <= MOST and not probes.failures,
        )
    ]


def _row(name: str, probes: Probes, *, tls: bool) -> list[str]:
    slowest = (max(probes.seconds[path], default=0.0) for path in _PATHS)
    return [name, _port(tls=tls), *(f"{one:.2f}" for one in slowest), f"{len(probes.failures)}"]


def _port(*, tls: bool) -> str:
    return "with TLS" if tls else "without TLS"
