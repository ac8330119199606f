"""What the feed of changes saves Redis, and how soon a new token is served everywhere.

    python -m bench.feed [--organizations 1000] [--workers 2] [--seconds 60] [--without]

One process: a real Valkey, the Canvas emulator, and the services of several workers as the
application factory builds them. Each organization is in use on each worker. ``--without`` takes the
right to publish away, so that all is as it was before there was a feed.
"""

import logging
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from broker.emulator.canvas import Behaviour, Canvas
from broker.emulator.server import EmulatorServer
from broker.errors import UnavailableError
from broker.settings import load, load_inputs
from broker.web.app import SERVICE, create_app
from tests.servers import RedisServer, valkey_binary

if TYPE_CHECKING:
    from broker.policy.broker import Broker
    from broker.web.service import Service

START_LIMIT = 300.0
SPAN = 5.0
"""Seconds in which each organization is asked for once by each worker."""
WARM_UP = 45.0
"""Seconds after which each has been looked at in use, and is old enough for a report."""
LONGEST = 5.0
SAMPLES = 60


def write_keys(folder: Path, keys: dict[str, str], names: list[str]) -> None:
    """Write the folder of credentials."""
    for (consumer, secret_key), name in zip(keys.items(), names, strict=True):
        (folder / name).mkdir(parents=True)
        (folder / name / "consumer").write_text(consumer)
        (folder / name / "secret-key").write_text(secret_key)


def wait_for_tokens(brokers: "list[Broker]") -> None:
    """Wait until each worker has a token of each organization."""
    until = time.monotonic() + START_LIMIT
    while any(one.generation is None for broker in brokers for one in broker.health()):
        if time.monotonic() > until:
            raise TimeoutError("not every organization has a token")
        time.sleep(0.5)


def services(redis: RedisServer, emulator: EmulatorServer, folder: Path, workers: int) -> Any:
    """Return the services of several workers that share Redis and Canvas."""
    settings = load(
        {
            "BROKER_REDIS_URL": redis.url.replace("://", "://bench:password@"),
            "BROKER_CANVAS_URL": emulator.url,
            "BROKER_CREDENTIALS_DIR": str(folder),
            "BROKER_CALLER_AUTH": "none",
            "BROKER_AUDIT_LOG": "none",
        }
    )
    apps = [create_app(settings, load_inputs(settings)) for _ in range(workers)]
    return [app.extensions[SERVICE] for app in apps]


def ask_all(brokers: "list[Broker]", names: list[str], seconds: float) -> None:
    """Ask every worker for each organization, again and again for so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        for name in names:
            for broker in brokers:
                broker.token(name)
        time.sleep(max(0.0, min(until, began + SPAN) - time.monotonic()))


def commands(client: Any) -> dict[str, int]:
    """Return how often each command has run."""
    stats = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): values["calls"] for name, values in stats.items()}


def calls_of(emulator: EmulatorServer) -> int:
    """Return how often Canvas was called."""
    calls: Any = emulator.stats()["calls"]
    return sum(calls.values())


def spread(brokers: "list[Broker]", name: str) -> list[float]:
    """Have a token replaced; return the seconds until each other worker serves the new one."""
    first, *others = brokers
    generation = first.token(name).generation
    new = 0
    while not new:
        try:
            new = first.token(name, rejected=generation).generation
        except UnavailableError:
            time.sleep(0.01)
    began, waiting, found = time.monotonic(), list(others), []
    while waiting and time.monotonic() < began + LONGEST:
        for broker in list(waiting):
            if broker.token(name).generation >= new:
                waiting.remove(broker)
                found.append(time.monotonic() - began)
        time.sleep(0.001)
    return found + [LONGEST] * len(waiting)


@click.command()
@click.option("--organizations", default=1000, show_default=True)
@click.option("--workers", default=2, show_default=True)
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--lifetime", default=900.0, show_default=True)
@click.option("--without", is_flag=True)
def main(
    organizations: int, workers: int, seconds: float, lifetime: float, *, without: bool
) -> None:
    """Print the figures."""
    logging.getLogger("broker").setLevel(logging.CRITICAL)
    names = [f"org-{number}" for number in range(organizations)]
    keys = {f"{n:064x}": f"00000000-0000-4000-8000-{n:012x}" for n in range(organizations)}
    lives = Behaviour(access_lifetime_authenticate=lifetime, access_lifetime_refresh=lifetime)
    canvas = Canvas(keys, names=dict(zip(keys, names, strict=True)), behaviour=lives)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        redis = stack.enter_context(RedisServer(valkey_binary(), folder))
        client: Any = stack.enter_context(redis.client())
        rights = ("~*", "&*", "+@all", *(["-publish"] if without else []))
        client.execute_command("ACL", "SETUSER", "bench", "reset", "on", ">password", *rights)
        emulator = stack.enter_context(EmulatorServer(canvas))
        write_keys(folder / "keys", keys, names)
        fleet: list[Service] = services(redis, emulator, folder / "keys", workers)
        brokers = [service._parts.broker for service in fleet]  # noqa: SLF001  # as HTTP has it
        for service in fleet:
            service.start()
            stack.callback(service.stop)
        wait_for_tokens(brokers)
        ask_all(brokers, names, WARM_UP)
        before, began = commands(client), time.monotonic()
        upstream = calls_of(emulator)
        ask_all(brokers, names, seconds)
        took, after = time.monotonic() - began, commands(client)
        upstream = calls_of(emulator) - upstream
        spent = {name: (after[name] - before.get(name, 0)) / took for name in after}
        most = sorted(spent.items(), key=lambda one: -one[1])[:8]
        used = organizations * workers
        click.echo(f"{used} in use on a worker, {upstream} calls of Canvas in {took:.0f} s")
        click.echo(
            f"Redis: {sum(spent.values()):.1f} commands/s, {sum(spent.values()) / used:.4f} each"
        )
        click.echo(", ".join(f"{name} {rate:.1f}" for name, rate in most))
        found = (
            [s for name in names[:SAMPLES] for s in spread(brokers, name)] if workers > 1 else []
        )
        if found:
            found.sort()
            late = found[int(len(found) * 0.95)]
            click.echo(
                f"a new token elsewhere, {len(found)} times: median "
                f"{statistics.median(found):.4f} s, 95 % {late:.4f} s, slowest {found[-1]:.4f} s"
            )


if __name__ == "__main__":
    main()
