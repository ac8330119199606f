import json
from dataclasses import replace
from typing import Any

import pytest

from broker.pod.wire import UnreadableSnapshotError, from_bytes, to_bytes
from broker.policy.history import Event
from broker.tokens import State
from tests.pod.samples import FAILING, GOOD, IDLE, LATCHED, files, worker

FULL = worker(
    7,
    GOOD,
    IDLE,
    FAILING,
    LATCHED,
    replace(GOOD, recent=(Event(1.5, "elsewhere", None, "success"), *GOOD.recent)),
    files=(files("credentials", "Mängel", "two"), files()),
)


def test_a_snapshot_comes_back_as_it_was() -> None:
    """With all its parts, and types: a state is a state again."""
    read = from_bytes(to_bytes(FULL))
    assert read == FULL
    assert read.organizations[0].state is State.FRESH
    assert isinstance(read.organizations[0].recent[0], Event)


def test_a_whole_number_of_seconds_is_read_as_any_other() -> None:
    """JSON has one kind of number."""
    assert from_bytes(to_bytes(worker(uptime=5))).uptime == 5.0


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_not_written(number: float) -> None:
    """No reader would take it."""
    with pytest.raises(ValueError):
        to_bytes(worker(uptime=number))


def changed(**changes: Any) -> bytes:
    """Return a snapshot with fields of the worker put in, or taken out where they are ``...``."""
    fields = json.loads(to_bytes(FULL)) | changes
    return json.dumps({name: one for name, one in fields.items() if one is not ...}).encode()


def organization(**changes: Any) -> bytes:
    """Return a snapshot whose only organization is changed so."""
    (known,) = json.loads(to_bytes(worker()))["organizations"]
    return changed(organizations=[known | changes])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"garbage",
        b"[]",
        b"null",
        b"{}",
        b"[" * 100_000,
        b"9" * 5000,
        to_bytes(FULL)[:-1],
        to_bytes(FULL) * 2,
        changed(uptime=...),
        changed(since_the_next_version=1),
        changed(uptime="33"),
        changed(uptime=True),
        changed(uptime=None),
        changed(uptime=float("nan")),
        changed(uptime=1).replace(b'"uptime": 1,', b'"uptime": 1e999,'),
        changed(pid=7.0),
        changed(pid=True),
        changed(pid="7"),
        changed(organizations={}),
        changed(organizations=[None]),
        changed(files=[{"what": "callers"}]),
        changed(files=[{"what": "callers", "problems": [1], "taken_at": 1.0}]),
        organization(state="ripe"),
        organization(state=1),
        organization(state=None),
        organization(state=["fresh"]),
        organization(latched=0),
        organization(failures=1.5),
        organization(credential_version=None),
        organization(recent=[[1.0, "refresh"]]),
        organization(recent="x"),
    ],
)
def test_anything_else_is_not_read(data: bytes) -> None:
    """Neither garbage nor a field more or less; the error holds nothing of it."""
    with pytest.raises(UnreadableSnapshotError) as caught:
        from_bytes(data)
    assert str(caught.value) == "not a snapshot of this version"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
