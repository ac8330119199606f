"""``broker check``: everything that the broker needs, tried one by one."""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

import click

from broker.cli.access_steps import access_steps
from broker.cli.canvas_steps import authenticate_steps, canvas_steps
from broker.cli.kubernetes_steps import kubernetes_steps
from broker.cli.local_steps import LIMIT, SETTINGS, Examined, examine, local_steps
from broker.cli.paint import colours_for, paint
from broker.cli.redis_steps import redis_steps
from broker.cli.steps import (
    Finding,
    OverdueError,
    Progress,
    Step,
    Word,
    fail,
    progress_for,
    run,
    within,
)
from broker.clock import SystemClock

EVERY = "*"
_COLOURS = {Word.OK: "green", Word.WARN: "yellow", Word.FAIL: "red", Word.SKIPPED: "bright_black"}
_NAME_WIDTH = 18
_WORD_WIDTH = 7


@click.command(
    epilog="Exit codes: 0 all is well, warnings included; 1 something failed; 2 wrong command line."
)
@click.option(
    "--authenticate",
    "chosen",
    metavar="[ORGANIZATION]",
    multiple=True,
    is_flag=False,
    flag_value=EVERY,
    help="Try the keys, too: of one organization, or of all; may be repeated. Each is one real "
    "Authenticate. WARNING: the vendor does not say whether that ends tokens in use, nor whether "
    "wrong keys lock the account.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
def check(chosen: tuple[str, ...], *, as_json: bool) -> None:
    """Try all that the broker needs, from the same BROKER_* settings as "serve".

    One line for each step: settings, credentials, callers, TLS, the audit, access (who else may
    read keys and callers), Kubernetes, Redis (the connection, each right, memory policy, clock) and
    Canvas (the way there, without keys). What depends on something that failed is skipped. Redis
    gets keys of its own for a moment, below BROKER_REDIS_PREFIX.
    """
    progress = progress_for(sys.stderr)
    found = _find(os.environ, chosen, progress)
    findings = _tell_json(found) if as_json else _tell(found)
    sys.exit(1 if overall(findings) is Word.FAIL else 0)


def overall(findings: Iterable[Finding]) -> Word:
    """Return the word for all of them."""
    words = {found.word for found in findings}
    return next((word for word in (Word.FAIL, Word.WARN) if word in words), Word.OK)


def _find(
    environ: Mapping[str, str], chosen: Sequence[str], progress: Progress
) -> Iterator[tuple[str, Finding]]:
    try:
        examined = within(LIMIT, partial(examine, environ), SETTINGS, progress)
    except OverdueError:
        yield SETTINGS, fail(f"The files they name cannot be read within {LIMIT:g} s.")
        return
    yield from run(list(plan(examined, chosen)), progress)


def plan(examined: Examined, chosen: Sequence[str]) -> Iterator[Step]:
    """Yield all steps in order; ``chosen`` names whose keys are tried, ``*`` for all."""
    yield from local_steps(examined)
    settings, clock = examined.settings, SystemClock()
    if settings is None:
        for name in ("Redis", "Canvas"):
            yield Step(name, partial(fail, ""), LIMIT, (SETTINGS,))
        return
    yield from access_steps(settings)
    if not examined.problems.get("Kubernetes"):
        yield from kubernetes_steps(settings)
    yield from redis_steps(settings, clock)
    yield from canvas_steps(settings, clock)
    if chosen:
        names = () if EVERY in chosen else tuple(dict.fromkeys(chosen))
        yield from authenticate_steps(settings, clock, names)


def _tell(found: Iterable[tuple[str, Finding]]) -> list[Finding]:
    findings = []
    colours = colours_for(sys.stdout)
    for name, finding in found:
        word = paint(f"{finding.word:{_WORD_WIDTH}}", _COLOURS[finding.word], on=colours)
        first, *more = finding.sentences
        click.echo(f"{word}  {name:{_NAME_WIDTH}} {first}", color=colours)
        for sentence in more:
            click.echo(f"{'':{_WORD_WIDTH}}  {'':{_NAME_WIDTH}} {sentence}")
        findings.append(finding)
    return findings


def _tell_json(found: Iterable[tuple[str, Finding]]) -> list[Finding]:
    named = list(found)
    findings = [finding for _, finding in named]
    steps = [
        {"name": name, "status": finding.word, "output": list(finding.sentences)}
        for name, finding in named
    ]
    document = {"status": overall(findings), "checks": steps}
    click.echo(json.dumps(document, indent=2))
    return findings
