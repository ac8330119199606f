"""``broker emulator``: the Canvas emulator alone."""

import errno
import ipaddress
import json
import logging
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from broker.emulator.canvas import Behaviour, Canvas, Sessions
from broker.emulator.controls import Controls
from broker.emulator.keys import KeysError, make_up, read_folder
from broker.emulator.knobs import KnobError
from broker.emulator.server import EmulatorServer
from broker.emulator.serving import listen
from broker.output.sinks import STANDARD_ERROR
from broker.web.logs import LineHandler, LogLines

_DEFAULT = Behaviour()
_STOP = {signal.SIGINT, signal.SIGTERM}
_SECONDS = click.FloatRange(min=0)
_LIFETIME = click.FloatRange(min=0.1)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--access-lifetime-authenticate",
    default=_DEFAULT.access_lifetime_authenticate,
    show_default=True,
    type=_LIFETIME,
    help="Seconds that an access token from Authenticate lives.",
)
@click.option(
    "--access-lifetime-refresh",
    default=_DEFAULT.access_lifetime_refresh,
    show_default=True,
    type=_LIFETIME,
    help="Seconds that an access token from RefreshAccessToken lives.",
)
@click.option(
    "--refresh-lifetime",
    default=_DEFAULT.refresh_lifetime,
    show_default=True,
    type=_LIFETIME,
    help="Seconds that a refresh token lives.",
)
@click.option(
    "--sessions",
    default=_DEFAULT.sessions.value,
    show_default=True,
    type=click.Choice([one.value for one in Sessions]),
    help="Whether an Authenticate ends the organization's earlier tokens (single) or not (many).",
)
@click.option(
    "--grace",
    default=_DEFAULT.grace,
    show_default=True,
    type=_SECONDS,
    help="Seconds that a refresh token works on after its first use.",
)
@click.option(
    "--reuse-revokes",
    is_flag=True,
    help="A used refresh token, presented again, ends all tokens of its session.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="JSON",
    help="Knobs to turn at start, as for POST /_emulator/faults; may be repeated.",
)
@click.option(
    "--credentials-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder per organization with the files consumer and secret-key.",
)
@click.option("--consumer", help="Consumer of the one organization, named default.")
@click.option("--secret-key", help="Its SecretKey.")
def emulator(host: str, port: int, faults: tuple[str, ...], **options: Any) -> None:
    """Play Canvas on this machine: strict by default, faulty on demand.

    A development tool. Its management path, /_emulator, asks nobody who they are.
    """
    keys, made_up = _keys(options)
    canvas = Canvas(
        dict(keys.values()),
        names={consumer: name for name, (consumer, _) in keys.items()},
        behaviour=_behaviour(options),
    )
    controls = _controls(canvas, faults)
    handler = LineHandler(LogLines(STANDARD_ERROR))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", handlers=[handler])
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
    try:
        with _serve(canvas, host, port, controls) as server:
            _announce(server, keys, host=host, made_up=made_up)
            signal.sigwait(_STOP)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _behaviour(options: Mapping[str, Any]) -> Behaviour:
    return Behaviour(
        access_lifetime_authenticate=options["access_lifetime_authenticate"],
        access_lifetime_refresh=options["access_lifetime_refresh"],
        refresh_lifetime=options["refresh_lifetime"],
        sessions=Sessions(options["sessions"]),
        grace=options["grace"],
        reuse_revokes_family=options["reuse_revokes"],
    )


def _keys(options: Mapping[str, Any]) -> tuple[dict[str, tuple[str, str]], bool]:
    folder, consumer, secret_key = (
        options[name] for name in ("credentials_dir", "consumer", "secret_key")
    )
    if bool(consumer) != bool(secret_key):
        raise click.UsageError("--consumer and --secret-key go together.")
    if folder and consumer:
        raise click.UsageError("--credentials-dir and --consumer exclude each other.")
    if folder is None:
        return {"default": (consumer, secret_key) if consumer else make_up()}, not consumer
    try:
        return read_folder(folder), False
    except KeysError as error:
        raise click.ClickException(str(error)) from None


def _controls(canvas: Canvas, faults: tuple[str, ...]) -> Controls:
    controls = Controls(canvas)
    for fault in faults:
        try:
            controls.turn_at_start(json.loads(fault))
        except json.JSONDecodeError:
            raise click.UsageError("--fault must be a JSON object.") from None
        except KnobError as error:
            raise click.UsageError(f"--fault: {error}.") from None
    return controls


def _serve(canvas: Canvas, host: str, port: int, controls: Controls) -> EmulatorServer:
    try:
        return EmulatorServer(canvas, host=host, port=port, controls=controls)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            reason = error.strerror or "no such address"
            raise click.ClickException(f"Cannot listen on {host}:{port}: {reason}.") from None
    raise click.ClickException(
        f"Port {port} is taken; port {_free_port(host)} is free: choose it with --port."
    )


def _free_port(host: str) -> int:
    with listen(host, 0) as listener:
        return int(listener.getsockname()[1])


def _announce(
    server: EmulatorServer, keys: Mapping[str, tuple[str, str]], *, host: str, made_up: bool
) -> None:
    click.echo(f"# The Canvas emulator plays {', '.join(keys)}; knobs at {server.root}/_emulator/")
    click.echo(f"export BROKER_CANVAS_URL={server.url}")
    if made_up:
        consumer, secret_key = keys["default"]
        click.echo(f"export BROKER_CONSUMER={consumer}")
        click.echo(f"export BROKER_SECRET_KEY={secret_key}")
    if not _is_loopback(host):
        click.echo(
            f"Warning: {host} is not loopback. The emulator is a development tool: whoever reaches"
            " it can change it and read its counters.",
            err=True,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
