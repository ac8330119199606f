"""Somebody writes to Redis: what no broker writes is not believed, and all is well again."""

from math import inf
from typing import Any

import pytest

from broker.pod.judgement import Status, judge
from broker.pod.merge import merge_organization
from broker.policy.history import DAMAGE_TOLD_S
from broker.ports import Failure
from broker.tokens import Kind
from tests.fakes import retry_definite
from tests.policy.fleet import ACME, KEYS, Fleet, Worker, commit_elsewhere, make_stale
from tests.store.hostile import mutate

AUTHENTICATE = Kind.AUTHENTICATE
HUGE = 2**53 - 1


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("generation", HUGE, "record seal"),
        ("generation", 10**400, "record value"),
        ("generation", -1, "record value"),
        ("generation", "x" * 20_000_000, "record value"),
        ("record", b"9" * 90_000_000, "record size"),
        ("written", "nan", "record value"),
        ("server", "x" * 2000, "record size"),
    ],
)
def test_the_record_comes_back_from_memory(fleet: Fleet, field: str, value: Any, told: str) -> None:
    """Within two looks, without a call of Canvas; a worker that starts then has it, too."""
    worker, other = fleet.workers
    token, _ = worker.token(), other.token()
    mutate(fleet.shelf(), field, value)
    fleet.canvas.calls.clear()
    fleet.run(3, asking=True)
    assert {one.token() for one in fleet.workers} == {token}
    late = Worker(fleet, 9, retry_definite, 32)
    late.broker.configure({ACME: KEYS})
    assert late.token() == token
    assert fleet.canvas.calls == []
    lines = worker.notes.lines + other.notes.lines
    assert f"acme store damaged {told}" in lines
    fleet.run(600, asking=True)
    assert fleet.canvas.calls
    assert worker.token() == other.token() != token
    fleet.check()


def test_where_nobody_has_it_one_authenticate_brings_another(fleet: Fleet, worker: Worker) -> None:
    """No worker that is there has ever seen the record."""
    commit_elsewhere(fleet)
    fleet.shelf().generation = HUGE
    assert worker.token() == "access-1"
    assert fleet.canvas.calls == [AUTHENTICATE]
    assert (worker.health().generation or HUGE) < HUGE / 2


@pytest.mark.parametrize("end", [inf, 10**400, "soon", None, 1e300])
def test_a_lease_without_an_end_ends(fleet: Fleet, worker: Worker, end: Any) -> None:
    """After one lease time, from when anybody looked."""
    make_stale(fleet)
    shelf = fleet.shelf()
    shelf.lease, shelf.lease_until = ("nobody", "one"), end
    fleet.run(28, asking=True)
    assert worker.token() == "access-2"
    assert "acme store damaged lease ttl" in worker.notes.lines


@pytest.mark.parametrize(
    ("field", "value", "seconds"),
    [
        ("backoff_until", inf, 2),
        ("backoff_ends", inf, 7),
        ("backoff_until", 1e9, 2),
        ("backoff.failure", "x" * 20_000_000, 2),
        ("backoff.failures", 10**9, 2),
        ("backoff.latched", "yes", 2),
    ],
)
def test_a_backoff_without_an_end_ends(
    fleet: Fleet, worker: Worker, field: str, value: Any, seconds: float
) -> None:
    """At once, but one that is no longer than any backoff: nobody vouches for it."""
    make_stale(fleet)
    store = fleet.server.open(ACME, KEYS)
    store.fail("elsewhere", store.read(0).generation, Failure("timeout", 5.0), clear_mark=False)
    mutate(fleet.shelf(), field, fleet.clock.redis() + value if value == 1e9 else value)
    fleet.run(seconds + 1)
    assert worker.token() == "access-2"
    assert len(str(worker.health().last_error)) < 100


def test_health_warns_for_a_while(fleet: Fleet, worker: Worker) -> None:
    """It says where to look, and no longer than somebody may want to know."""
    worker.ask()
    fleet.shelf().generation = HUGE
    fleet.run(2, asking=True)
    verdict = judge(merge_organization([one.health() for one in fleet.workers]))
    assert verdict.status is Status.WARN
    assert "no broker writes" in verdict.sentence
    fleet.run(DAMAGE_TOLD_S, asking=True)
    assert {judge(one.health()).status for one in fleet.workers} == {Status.PASS}
