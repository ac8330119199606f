"""What organizations cost a worker while nothing happens: Redis commands, CPU, threads, memory.

    python -m bench.many_organizations [--seconds 60]

Each row is a process of its own: a real Valkey, the Canvas emulator, and one worker's service as
the application factory builds it. The cold start is not measured: counting begins once every
organization has its token and is idle. Tokens live for 90 s, so that some fall due meanwhile.
"""

import logging
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from broker.emulator.canvas import Behaviour, Canvas
from broker.emulator.server import EmulatorServer
from broker.policy.schedule import IN_USE
from broker.settings import load, load_inputs
from broker.web.app import SERVICE, create_app
from tests.servers import RedisServer, valkey_binary

if TYPE_CHECKING:
    from broker.web.service import Service

LIFETIME = 90.0
HOUR = 3600.0
START_LIMIT = 300.0
LET_GO = "5"
KEPT_WARM = "3600"
THREADS = ("refresher", "reloader", "flight", "sweep")
HEADINGS = (
    "| organizations | in use | kept warm | upstream calls | Redis scripts/s | Redis commands/s "
    "| refresher s/h | flights s/h | reloader s/h | threads | RSS MB |"
)
_log = logging.getLogger("broker")


@dataclass(frozen=True)
class Case:
    """How many organizations there are, are asked for once a second, and are kept warm."""

    organizations: int
    in_use: int
    keep_warm: str = LET_GO

    @property
    def warm(self) -> int:
        """Return how many organizations' tokens are kept current."""
        return self.organizations if self.keep_warm == KEPT_WARM else self.in_use


CASES = (
    *(Case(count, 0) for count in (10, 100, 1000)),
    *(Case(count, min(20, count)) for count in (10, 100, 1000)),
    *(Case(count, 0, KEPT_WARM) for count in (10, 100, 1000)),
)


@dataclass(frozen=True)
class Counters:
    """What has been spent so far: scripts and commands in Redis, CPU seconds by kind of thread."""

    scripts: int
    commands: int
    calls: int
    cpu: dict[str, float]


class Worker:
    """One worker with all that it needs, on this process's threads."""

    def __init__(self, case: Case, redis: RedisServer, directory: Path) -> None:
        self.case = case
        self._redis = redis.client()
        keys = {f"{n:064x}": f"00000000-0000-4000-8000-{n:012x}" for n in range(case.organizations)}
        names = {consumer: f"org-{n}" for n, consumer in enumerate(keys)}
        lives = Behaviour(access_lifetime_authenticate=LIFETIME, access_lifetime_refresh=LIFETIME)
        self.emulator = EmulatorServer(Canvas(keys, names=names, behaviour=lives))
        for consumer, secret_key in keys.items():
            folder = directory / names[consumer]
            folder.mkdir(parents=True)
            (folder / "consumer").write_text(consumer)
            (folder / "secret-key").write_text(secret_key)
        settings = load(
            {
                "BROKER_REDIS_URL": redis.url,
                "BROKER_CANVAS_URL": self.emulator.url,
                "BROKER_CREDENTIALS_DIR": str(directory),
                "BROKER_CALLER_AUTH": "none",
                "BROKER_KEEP_WARM": case.keep_warm,
                "BROKER_AUDIT_LOG": "none",
            }
        )
        app = create_app(settings, load_inputs(settings))
        self.client = app.test_client()
        self.service: Service = app.extensions[SERVICE]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it until every organization has its token and is idle; stop it at the end."""
        with self.emulator:
            self.service.start()
            try:
                self._warm_up()
                yield
            finally:
                self.service.stop()

    def _warm_up(self) -> None:
        until = time.monotonic() + START_LIMIT
        while any(one.generation is None for one in self.service.snapshot().organizations):
            if time.monotonic() > until:
                raise TimeoutError("not every organization has a token")
            time.sleep(0.2)
        time.sleep(IN_USE + 2)

    def ask_for(self, seconds: float) -> None:
        """Ask once a second for each organization in use; return after ``seconds``."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            for number in range(self.case.in_use):
                self.client.get("/token", query_string={"organization": f"org-{number}"})
            time.sleep(min(1.0, left))

    def spent(self) -> Counters:
        """Return what has been spent since the start, this question not counted."""
        stats: Any = self._redis.info("commandstats")
        calls = {name: values["calls"] for name, values in stats.items()}
        asked = calls.pop("cmdstat_info", 0)
        scripts = calls.get("cmdstat_evalsha", 0) + calls.get("cmdstat_eval", 0)
        # Each script asks INFO for the server's name; the rest of them are asked here.
        upstream: Any = self.emulator.stats()["calls"]
        called = upstream["authenticate"] + upstream["refresh"]
        return Counters(scripts, sum(calls.values()) + min(asked, scripts), called, cpu_seconds())


def cpu_seconds() -> dict[str, float]:
    """Return the CPU seconds of this worker's threads, by the beginning of their names."""
    spent = dict.fromkeys(THREADS, 0.0)
    for thread in threading.enumerate():
        for name in THREADS:
            if thread.name.startswith(name) and thread.ident is not None:
                spent[name] += time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    return spent


def rss_megabytes() -> float:
    """Return the memory of this process, the emulator's included."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def measure(case: Case, seconds: float) -> str:
    """Return the row of the table for ``case``."""
    _log.addHandler(logging.NullHandler())
    _log.propagate = False
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        redis = stack.enter_context(RedisServer(valkey_binary(), directory))
        worker = Worker(case, redis, directory / "credentials")
        stack.enter_context(worker.running())
        worker.ask_for(5.0)
        before, began = worker.spent(), time.monotonic()
        worker.ask_for(seconds)
        after, took = worker.spent(), time.monotonic() - began
        cpu = [(after.cpu[name] - before.cpu[name]) / took * HOUR for name in THREADS]
        refresher, reloader, flights = cpu[0], cpu[1], cpu[2] + cpu[3]
        threads = sum(one.name.startswith(THREADS) for one in threading.enumerate())
        scripts, commands = after.scripts - before.scripts, after.commands - before.commands
        return (
            f"| {case.organizations} | {case.in_use} | {case.warm} | {after.calls - before.calls} "
            f"| {scripts / took:.2f} | {commands / took:.2f} | {refresher:.1f} | {flights:.1f} "
            f"| {reloader:.1f} | {threads} | {rss_megabytes():.0f} |"
        )


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="How long each case is measured.")
def main(seconds: float) -> None:
    """Print the table."""
    click.echo(HEADINGS)
    click.echo("|" + "---|" * (HEADINGS.count("|") - 1))
    for case in CASES:
        with multiprocessing.get_context("spawn").Pool(1) as alone:
            click.echo(alone.apply(measure, (case, seconds)))


if __name__ == "__main__":
    main()
