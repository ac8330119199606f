"""Steps tried one after the other, each within its time, with what each came to."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

import click

_T = TypeVar("_T")
_TICK = 1.0
_ERASE = "\r\x1b[K"


class Word(StrEnum):
    """How a step ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a step came to, in plain sentences."""

    word: Word
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """Something to try under a name.

    It is skipped if a step of ``needs`` failed or was skipped, and has failed after ``limit``
    seconds. ``work`` knows what may go wrong: any exception is a defect.
    """

    name: str
    work: Callable[[], Finding]
    limit: float
    needs: tuple[str, ...] = ()


def ok(sentence: str) -> Finding:
    """Return that all is well."""
    return Finding(Word.OK, (sentence,))


def warn(*sentences: str) -> Finding:
    """Return that the broker works, and what should be mended."""
    return Finding(Word.WARN, sentences)


def fail(*sentences: str) -> Finding:
    """Return what is wrong, and what to do."""
    return Finding(Word.FAIL, sentences)


class OverdueError(Exception):
    """Work was not done within its time; its thread goes on, and keeps no process alive."""


Progress = Callable[[str, float], None]
"""Is told what is being waited for, and for how many seconds now."""


def no_progress(name: str, seconds: float) -> None:
    """Tell nobody."""
    del name, seconds


def show_progress(name: str, seconds: float) -> None:
    """Write over the last line of the terminal; with 0 seconds, erase it."""
    text = f"      {name}: waiting, {seconds:.0f} s ..." if seconds else ""
    click.echo(f"{_ERASE}{text}", nl=False, err=True)


def progress_for(stream: object) -> Progress:
    """Return the progress for a stream: shown only if that is a terminal."""
    is_terminal = getattr(stream, "isatty", lambda: False)()
    return show_progress if is_terminal else no_progress


@dataclass(slots=True)
class _Outcome(Generic[_T]):
    values: list[_T] = field(default_factory=list)
    error: BaseException | None = None


def within(
    limit: float, work: Callable[[], _T], name: str, progress: Progress, tick: float = _TICK
) -> _T:
    """Return what ``work`` returns or raises, telling the progress each ``tick`` seconds.

    Raises OverdueError after ``limit`` seconds.
    """
    outcome: _Outcome[_T] = _Outcome()

    def carry() -> None:
        try:
            outcome.values.append(work())
        except BaseException as error:  # noqa: BLE001  # raised again by whoever waits
            outcome.error = error

    thread = threading.Thread(target=carry, name="step", daemon=True)
    thread.start()
    _wait(thread, limit, name, progress, tick)
    if outcome.error is not None:
        raise outcome.error
    if not outcome.values:
        raise OverdueError
    return outcome.values[0]


def _wait(
    thread: threading.Thread, limit: float, name: str, progress: Progress, tick: float
) -> None:
    began = time.monotonic()
    told = False
    while thread.is_alive() and (left := began + limit - time.monotonic()) > 0:
        thread.join(min(tick, left))
        if thread.is_alive():
            progress(name, time.monotonic() - began)
            told = True
    if told:
        progress(name, 0)


def run(
    steps: Sequence[Step], progress: Progress = no_progress, tick: float = _TICK
) -> Iterator[tuple[str, Finding]]:
    """Try the steps in order; yield the name and the finding of each."""
    # By the name of each step that did not succeed, the one that is to be mended first.
    blamed: dict[str, str] = {}
    for step in steps:
        culprit = next((blamed[name] for name in step.needs if name in blamed), None)
        if culprit is not None:
            blamed[step.name] = culprit
            yield step.name, Finding(Word.SKIPPED, (f"Not tried: it needs {culprit}.",))
            continue
        found = _try(step, progress, tick)
        if found.word is Word.FAIL:
            blamed[step.name] = step.name
        yield step.name, found


def _try(step: Step, progress: Progress, tick: float) -> Finding:
    try:
        return within(step.limit, step.work, step.name, progress, tick)
    except OverdueError:
        return fail(f"No result within {step.limit:g} s: whatever is asked there hangs.")
    except Exception as error:  # noqa: BLE001  # a traceback may hold anything
        return fail(f"It could not be tried: {type(error).__name__}. This is a defect; report it.")
