"""``broker status``: the health of a running broker, for people and for monitoring."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from broker.cli.health_client import (
    LIMIT,
    Answer,
    Tls,
    UnreachableError,
    UnusableOptionError,
    address_from,
    address_of,
    fetch,
)
from broker.cli.health_page import page
from broker.cli.paint import colours_for, plain
from broker.cli.steps import OverdueError, progress_for, within
from broker.clock import SystemClock
from broker.settings import ManagementTls

DEFAULT = "http://127.0.0.1:8080"
_CLEAR = "\x1b[2J\x1b[H"
_UNLIMITED = 1 << 16
_PEM = click.Path(path_type=Path, exists=True, dir_okay=False)


class NoHealthError(Exception):
    """Somebody answers, but not with the health of a broker."""


class Exit(IntEnum):
    """The exit codes, as monitoring plugins have them."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


_EXITS = {"pass": Exit.OK, "warn": Exit.WARNING, "fail": Exit.CRITICAL}


class _WrongCommandLineError(click.UsageError):
    """Ends with 3: click's own 2 is what monitoring takes for an outage."""

    exit_code = Exit.UNKNOWN


class _Command(click.Command):
    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise _WrongCommandLineError(error.format_message(), error.ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _WrongCommandLineError(error.format_message(), ctx) from None


@click.command(
    cls=_Command,
    epilog="Exit codes, as monitoring plugins have them: 0 pass; 1 warn; 2 fail, or nobody "
    "answers; 3 what answers is no broker, or the command line is wrong. With --watch, those of "
    "the last answer.",
)
@click.argument("url", required=False)
@click.option("--json", "as_json", is_flag=True, help="Write the body as the broker sent it.")
@click.option(
    "--watch",
    type=click.FloatRange(min=0.1),
    metavar="[SECONDS]",
    is_flag=False,
    flag_value=2.0,
    help="Ask again each 2 seconds, or as often as given, until Ctrl-C.",
)
@click.option("--organization", metavar="NAME", help="Show this organization alone.")
@click.option("--page", "number", type=click.IntRange(1), help="Show this page, worst first.")
@click.option("--insecure", is_flag=True, help="Trust any certificate.")
@click.option("--ca-file", type=_PEM, help="PEM file of the authorities to trust.")
@click.option("--cert", type=_PEM, help="PEM file of the certificate to show.")
@click.option("--key", type=_PEM, help="PEM file of its key, if not in the same file.")
def status(
    url: str | None,
    *,
    as_json: bool,
    watch: float | None,
    organization: str | None,
    number: int | None,
    **options: Any,
) -> None:
    """Show the health of the broker at URL, or host:port.

    Without URL that of this machine: BROKER_MANAGEMENT_BIND or else BROKER_BIND, if one is set, or
    http://127.0.0.1:8080. Each organization has a row: state of the token, until it expires (m:ss),
    until its refresh token does (h:mm), since it was renewed, and when the next attempt is due
    after a failure. Of many there is a page of a hundred, those with trouble first.
    """
    tls, address = _prepared(url, options)
    chosen = {"organization": organization, "page": number}
    query = urlencode({name: value for name, value in chosen.items() if value is not None})
    address += f"?{query}" if query else ""
    ask = partial(_once, address, tls, as_json=as_json)
    if watch is None:
        sys.exit(ask())
    clears = sys.stdout.isatty() and not as_json
    sys.exit(_keep_watching(ask, watch, clears=clears))


def _prepared(url: str | None, options: Mapping[str, Any]) -> tuple[Tls, str]:
    tls = Tls(**options)
    if tls.insecure and tls.ca_file:
        raise click.UsageError("--insecure and --ca-file exclude each other.")
    if tls.key and not tls.cert:
        raise click.UsageError("--key needs --cert.")
    try:
        tls.context()
        return tls, _address(url)
    except UnusableOptionError as error:
        raise click.UsageError(str(error)) from None


def _address(url: str | None) -> str:
    if url is not None:
        return address_of(url)
    tls = bool(os.environ.get("BROKER_TLS_CERT_FILE"))
    if operators := os.environ.get("BROKER_MANAGEMENT_BIND"):
        plain = os.environ.get("BROKER_MANAGEMENT_TLS") == ManagementTls.OFF
        return address_from("BROKER_MANAGEMENT_BIND", operators, tls=tls and not plain)
    if bind := os.environ.get("BROKER_BIND"):
        return address_from("BROKER_BIND", bind, tls=tls)
    return address_of(DEFAULT)


def _keep_watching(ask: Callable[[], Exit], pause: float, *, clears: bool) -> Exit:
    """Ask and show until Ctrl-C; return the last code."""
    code = Exit.UNKNOWN
    try:
        while True:
            if clears:
                click.echo(_CLEAR, nl=False)
            code = ask()
            SystemClock().sleep(pause)
    except KeyboardInterrupt:
        return code


def _once(address: str, tls: Tls, *, as_json: bool) -> Exit:
    """Ask and show once."""
    try:
        work = partial(fetch, address, tls)
        answer = within(LIMIT, work, "health", progress_for(sys.stderr))
        body = _read(answer)
    except (UnreachableError, OverdueError) as error:
        reason = str(error) or f"No whole answer within {LIMIT:g} s."
        return _complain(address, reason, Exit.CRITICAL)
    except NoHealthError as error:
        return _complain(address, str(error), Exit.UNKNOWN)
    if as_json:
        click.echo(answer.body.decode().strip())
    else:
        _show(body, address)
    return _EXITS[body["status"]]


def _read(answer: Answer) -> dict[str, Any]:
    """Return the body; raises UnreachableError or NoHealthError if it is none."""
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict) and body.get("status") in _EXITS:
        return body
    if answer.outage:
        raise UnreachableError(f"It answers {answer.status}, without a health report.")
    if isinstance(body, dict) and isinstance(told := body.get("error_description"), str):
        raise NoHealthError(f"It answers {answer.status}: {plain(told)}")
    raise NoHealthError(f"It answers {answer.status}, without a health report: is this a broker?")


def _show(body: Mapping[str, Any], address: str) -> None:
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else _UNLIMITED
    colours = colours_for(sys.stdout)
    shown = address.partition("?")[0].removesuffix("/health")
    for line in page(body, shown, width, colours=colours):
        click.echo(line, color=colours)


def _complain(address: str, reason: str, code: Exit) -> Exit:
    click.echo(f"{plain(address)}: {reason}", err=True)
    return code
