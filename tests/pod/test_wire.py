import json
from array import array
from base64 import b64encode
from typing import Any

import pytest

from broker.pod.asking import LARGEST
from broker.pod.snapshot import OrganizationHistory, WorkerHistories, WorkerSnapshot
from broker.pod.wire import UnreadableSnapshotError, from_bytes, names_in, to_bytes
from broker.policy.history import Event
from broker.tokens import State
from tests.pod.samples import CACHED, FAILING, FLAWED, GOOD, HISTORY, IDLE, LATCHED, files, worker

FULL = worker(
    7,
    GOOD,
    IDLE,
    FAILING,
    LATCHED,
    CACHED,
    FLAWED,
    files=(files("credentials", "Mängel", "two"), files()),
)


def test_a_snapshot_comes_back_as_it_was() -> None:
    """With all its parts, and types: a state is a state again."""
    read = from_bytes(to_bytes(FULL), WorkerSnapshot)
    assert read == FULL
    assert read.organizations[0].state is State.FRESH


def test_an_organization_alone_and_none_come_back_as_they_were() -> None:
    """A column of one value, and no column."""
    for told in (worker(7, LATCHED), worker(7, GOOD, IDLE), worker(organizations=())):
        assert from_bytes(to_bytes(told), WorkerSnapshot) == told


def test_histories_come_back_as_they_were() -> None:
    """Each event is one again."""
    recent = (Event(1.5, "elsewhere", None, "success"), *HISTORY)
    told = WorkerHistories(7, (OrganizationHistory("acme", recent),))
    assert from_bytes(to_bytes(told), WorkerHistories) == told


def test_thousands_of_organizations_are_far_below_the_longest_answer() -> None:
    """Each value differs."""
    many = [
        GOOD._replace(
            organization=f"organization-{number:05}",
            generation=1795409788123456 + number,
            expires_in=512.9 + number,
            refresh_expires_in=86000.2 + number,
            last_refresh=87.1 + number,
            margin=200.7 + number,
            skew=0.04 + number,
            skew_age=86.8 + number,
        )
        for number in range(10_000)
    ]
    assert len(to_bytes(worker(7, *many))) < LARGEST / 10


def test_a_whole_number_of_seconds_is_read_as_any_other() -> None:
    """JSON has one kind of number."""
    assert from_bytes(to_bytes(worker(uptime=5)), WorkerSnapshot).uptime == 5.0


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_not_written(number: float) -> None:
    """No reader would take it."""
    strange = GOOD._replace(expires_in=number)
    for told in (worker(uptime=number), worker(7, strange), worker(7, strange, GOOD)):
        with pytest.raises(ValueError):
            to_bytes(told)


@pytest.mark.parametrize("question", [b"", b"[", b"{}", b'"acme"', b"[1]", b'["acme", null]'])
def test_a_question_that_is_none_is_not_answered(question: bytes) -> None:
    """Names are asked for."""
    assert names_in(b'["acme", "globex"]') == ["acme", "globex"]
    with pytest.raises(ValueError):
        names_in(question)


def changed(**changes: Any) -> bytes:
    """Return a snapshot with fields of the worker put in, or taken out where they are ``...``."""
    fields = json.loads(to_bytes(FULL)) | changes
    return json.dumps({name: one for name, one in fields.items() if one is not ...}).encode()


def organization(**changes: Any) -> bytes:
    """Return a snapshot with columns of its organizations changed so."""
    return changed(organizations=json.loads(to_bytes(FULL))["organizations"] | changes)


def doubles(*numbers: float) -> str:
    """Return a column of fractions."""
    return b64encode(array("d", numbers).tobytes()).decode()


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
        changed(organizations=[]),
        changed(organizations=[None]),
        changed(organizations={"organization": ["acme"]}),
        changed(files=[{"what": "callers"}]),
        changed(files=[{"what": "callers", "problems": [1], "taken_at": 1.0}]),
        organization(organization="acme"),
        organization(organization=7),
        organization(organization=["acme", "globex"]),
        organization(state="ripe"),
        organization(state=["ripe"]),
        organization(state=[1]),
        organization(state=[None]),
        organization(state=["fresh"] * (len(FULL.organizations) - 1)),
        organization(latched=[0]),
        organization(failures=[1.5]),
        organization(failures=[1.5] * len(FULL.organizations)),
        organization(generation=[True] * len(FULL.organizations)),
        organization(credential_version=[None]),
        organization(flaws=[["no_prefix", 1]]),
        organization(expires_in="no base64"),
        organization(expires_in="AAAA"),
        organization(expires_in=doubles(1.0)),
        organization(expires_in=doubles(*[float("inf")] * len(FULL.organizations))),
        organization(overdue=doubles(*[float("nan")] * len(FULL.organizations))),
    ],
)
def test_anything_else_is_not_read(data: bytes) -> None:
    """Neither garbage nor a field more or less; the error holds nothing of it."""
    with pytest.raises(UnreadableSnapshotError) as caught:
        from_bytes(data, WorkerSnapshot)
    assert str(caught.value) == "not a snapshot of this version"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
