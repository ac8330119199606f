"""The eight ways to break the protocol that ``refresh-protocol.md`` names, each as a patch."""

from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from broker.errors import FailureClass, KeysRejectedError, UpstreamError
from broker.policy import server_clock
from broker.policy.brake import Brake
from broker.policy.holder import Holder
from broker.policy.refresher import Refresher
from broker.ports import Backoff, Commitment, Failure, Slot
from broker.store import vouch
from broker.store.vouch import Vouch
from broker.tokens import Record
from broker.upstream import pair
from broker.upstream.lifetime import Claims
from tests.memory_store import shelf_snapshot
from tests.memory_store.server import MemoryRecordStore
from tests.memory_store.shelf import Shelf
from tests.simulation import canvas, world

Patch = Callable[[pytest.MonkeyPatch], None]


def no_burn_mark(patch: pytest.MonkeyPatch) -> None:
    """Grant refresh tokens without marking them."""
    wishes: dict[str, Slot] = {}

    def burn(store: MemoryRecordStore, attempt: str, wish: Slot) -> None:
        wishes[attempt] = wish

    def burned(shelf: Shelf, attempt: str) -> Slot:
        wish = wishes.get(attempt, Slot.NONE)
        there = {Slot.OWN: bool(shelf.generation), Slot.SPARE: shelf.spare is not None}
        return wish if there.get(wish) else Slot.NONE

    patch.setattr(MemoryRecordStore, "_burn", burn)
    patch.setattr(Shelf, "burned", burned)


def no_compare_and_set(patch: pytest.MonkeyPatch) -> None:
    """Commit over whatever is there, as it is."""

    def commit(
        store: MemoryRecordStore,
        attempt: str,
        expected: int,
        record: Record,
        failure: Failure | None,
    ) -> Commitment:
        store._place(record, record.generation, attempt)
        store.shelf.backoff = None
        store._end_lease(attempt)
        return Commitment(record.generation, superseded=False)

    patch.setattr(MemoryRecordStore, "commit", commit)


def lease_shorter_than_deadline(patch: pytest.MonkeyPatch) -> None:
    """Let the lease end while the upstream call may still run."""
    patch.setattr(world, "LIMITS", replace(world.LIMITS, lease=3.0, lease_reserve=0.1))


def mark_cleared_by_authenticate(patch: pytest.MonkeyPatch) -> None:
    """Let any definite failure free the refresh token, whoever presented it."""
    fail = MemoryRecordStore.fail

    def clear_all(
        store: MemoryRecordStore,
        attempt: str,
        expected: int,
        failure: Failure,
        *,
        clear_mark: bool,
    ) -> None:
        if clear_mark:
            store.shelf.presented = store.shelf.spare_presented = ""
        fail(store, attempt, expected, failure, clear_mark=clear_mark)

    def on_failure(holder: Holder, error: UpstreamError) -> None:
        latched = isinstance(error, KeysRejectedError)
        failure = holder.failure(error.kind, error.retry_after, latched=latched)
        holder.pause(failure, holder.lease.expected)
        definite = error.failure is FailureClass.DEFINITE
        lease = holder.lease
        holder.binding.store.fail(lease.attempt, lease.expected, failure, clear_mark=definite)

    patch.setattr(MemoryRecordStore, "fail", clear_all)
    patch.setattr(Holder, "_fail", on_failure)


def local_wall_clock(patch: pytest.MonkeyPatch) -> None:
    """Count a token's life from the host's own clock."""

    def host_date(answer: Any) -> str:
        return formatdate(answer.arrived, usegmt=True)

    def read_pair(answer: Any) -> Any:
        return pair.read_pair(replace(answer, date=host_date(answer)))

    patch.setattr(canvas, "read_pair", read_pair)
    patch.setattr("broker.upstream.pair.read_claims", lambda _: Claims())


def shared_backoff(patch: pytest.MonkeyPatch) -> None:
    """Keep one backoff for all organizations."""
    back_off = MemoryRecordStore._back_off

    def for_all(
        store: MemoryRecordStore, attempt: str, failure: Failure, word: Vouch | None = None
    ) -> None:
        word = word and replace(word, generation=2**53)
        for key in list(store._server.shelves):
            back_off(MemoryRecordStore(store._server, key), attempt, failure, word)

    patch.setattr(MemoryRecordStore, "_back_off", for_all)


def exception_ends_the_tick(patch: pytest.MonkeyPatch) -> None:
    """Let what goes wrong in a tick end the refresher."""
    patch.setattr(Refresher, "tick", lambda refresher: refresher._broker.tick())


def clock_steps_unseen(patch: pytest.MonkeyPatch) -> None:
    """Take whatever Redis's clock shows for the time that has passed."""

    def then(known: server_clock._Look, later: server_clock._Look) -> server_clock._Look:
        return later._replace(since=known.since)

    patch.setattr(server_clock._Look, "then", then)


def no_brake(patch: pytest.MonkeyPatch) -> None:
    """Let a process call Canvas as often as Redis makes it."""
    patch.setattr(Brake, "wait", lambda *_: 0.0)


def forged_pauses(patch: pytest.MonkeyPatch) -> None:
    """Heed a long pause that nobody vouches for."""
    patch.setattr(shelf_snapshot, "vouched", lambda backoff, *_: backoff)


def open_refusals(patch: pytest.MonkeyPatch) -> None:
    """Believe what lies open beside a backoff: how many there were, and the last just now."""

    def believed(backoff: Backoff, word: object, now: float, *rest: Any) -> Backoff:
        told = vouch.vouched(backoff, word, now, *rest)
        if backoff.refusals <= told.refusals:
            return told
        return replace(told, refusals=backoff.refusals, writing="somebody", acted=now)

    patch.setattr(shelf_snapshot, "vouched", believed)


MUTATIONS: dict[Patch, tuple[int, int]] = {
    no_burn_mark: (2, 20),
    no_compare_and_set: (5, 4),
    lease_shorter_than_deadline: (3, 1),
    mark_cleared_by_authenticate: (2, 101),
    local_wall_clock: (1, 0),
    shared_backoff: (16, 52),
    exception_ends_the_tick: (12, 1),
    clock_steps_unseen: (3, 1),
}
"""Each mutation, the invariant that must turn red, and the first seed that turned it red.

The search begins at that seed, which saves the time of those before it; any later one will do.
"""
HOSTILE_MUTATIONS: dict[Patch, tuple[int, int, str, bool]] = {
    no_brake: (18, 0, "mark_refused", False),
    forged_pauses: (9, 0, "hold_back", False),
    open_refusals: (9, 5, "hold_back", True),
}
"""The same with what somebody writes to Redis meanwhile, and whether Canvas refuses keys."""
