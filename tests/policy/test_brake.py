"""Invariant 18: what Redis tells cannot make a process call Canvas ever more often."""

import random
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from broker.errors import (
    AmbiguousError,
    CredentialsRejectedError,
    KeysRejectedError,
    NotSentError,
    RefreshTokenUnknownError,
    TemporarilyUnavailableError,
    ThrottledError,
    UnavailableError,
    UpstreamError,
)
from broker.limits import Limits, Rate
from broker.policy.brake import Brake
from broker.ports import Backoff, Commitment, Failure
from broker.tokens import State
from tests.memory_store.server import MemoryRecordStore
from tests.policy.fleet import ACME, KEYS, LIMITS, NEW_KEYS, Fleet, Worker

MINUTE, HOUR = 60.0, 3600.0
RECOVERY = 75.0
TICK = 0.2


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """One process: the brake is each one's own."""
    fleet = Fleet(1)
    yield fleet
    fleet.check()


def keep_asking(
    fleet: Fleet, seconds: float, meanwhile: Callable[[], object] = lambda: None
) -> list[float]:
    """Let callers ask and ``meanwhile`` happen for ``seconds``; return when Canvas was called."""
    times: list[float] = []
    fleet.canvas.before_answer = lambda: times.append(fleet.clock.monotonic())
    until = fleet.clock.monotonic() + seconds
    while fleet.clock.monotonic() < until:
        fleet.run(TICK)
        meanwhile()
        for worker in fleet.workers:
            with suppress(UnavailableError):
                worker.ask()
    return times


def most_within(times: list[float], seconds: float) -> int:
    """Return how many of the sorted ``times`` lie within one such span, at most."""
    return max((n + 1 - bisect_left(times, at - seconds) for n, at in enumerate(times)), default=0)


def held_back(worker: Worker) -> bool:
    """Tell whether the brake ever held."""
    return any("held back" in line for line in worker.notes.lines)


class TestNumbers:
    def test_they_are_those_of_the_protocol(self) -> None:
        """As ``docs/refresh-protocol.md`` gives them."""
        assert LIMITS.calls.burst == 20
        assert LIMITS.calls.interval == pytest.approx(2.4)
        assert LIMITS.tokens == Rate(10, 15)
        assert (LIMITS.calls.most(MINUTE), LIMITS.calls.most(HOUR)) == (45, 1520)
        assert (LIMITS.tokens.most(MINUTE), LIMITS.tokens.most(HOUR)) == (14, 250)

    @pytest.mark.parametrize("seconds", [1.0, MINUTE, 600.0, HOUR])
    @pytest.mark.parametrize("number", [1, 2])
    def test_no_span_has_more(self, seconds: float, number: int) -> None:
        """However the attempts fall, each of one call or of two, each with a token or without."""
        chance, brake, now = random.Random(f"{seconds} {number}"), Brake(), 0.0
        calls: list[float] = []
        tokens: list[float] = []
        while now < 2 * HOUR:
            now += chance.choice([0.01, 1.0, 20.0, 300.0]) * chance.random()
            if brake.wait(now, LIMITS):
                continue
            for _ in range(number):
                brake.note_call(now, LIMITS)
                calls.append(now)
            if chance.random() < 0.5:
                brake.note_token(now, LIMITS)
                tokens.append(now)
        assert 0 < most_within(calls, seconds) <= LIMITS.calls.most(seconds)
        assert 0 < most_within(tokens, seconds) <= LIMITS.tokens.most(seconds)

    def test_it_lets_go_within_a_quarter_of_a_minute(self) -> None:
        """So it adds that at most to what it takes until all is well again."""
        brake = Brake()
        while not brake.wait(0.0, LIMITS):
            brake.note_call(0.0, LIMITS)
            brake.note_token(0.0, LIMITS)
        assert brake.wait(0.0, LIMITS) == 15
        assert brake.wait(15.0, LIMITS) == 0

    @pytest.mark.parametrize(
        "changes",
        [
            {"report_interval": 5.0},
            {"report_interval": 600.0},
            {"backoff_valid": 1.0},
            {"backoff_empty": 60.0},
            {"upstream_attempts": 4, "lease": 45.0},
        ],
    )
    def test_other_settings_hold_nobody_back_either(self, changes: dict[str, Any]) -> None:
        """Tokens of the shortest life, each refreshed by all calls of a lease, and reports."""
        limits = replace(Limits(), **changes)
        least = 1 / (2 / limits.short_life + 1 / limits.report_interval)
        assert limits.tokens.interval <= least
        assert limits.calls.interval * limits.upstream_attempts <= limits.tokens.interval
        assert limits.calls.interval < min(limits.backoff_empty, limits.backoff_valid) / 2


class TestNobodyIsHeldBack:
    """Ways to Canvas that are meant to be: an hour of each."""

    @pytest.mark.parametrize("reports", [False, True])
    def test_short_lives(self, fleet: Fleet, worker: Worker, *, reports: bool) -> None:
        """Of 45 s, each refresh refused and confirmed, with a report each minute besides."""
        fleet.canvas.lifetime = LIMITS.short_life
        refresh = fleet.canvas.refresh

        def refused(*arguments: object) -> None:
            fleet.canvas.errors = [RefreshTokenUnknownError("unknown")]
            refresh(*arguments)  # type: ignore[arg-type] # as they come

        fleet.canvas.refresh = refused  # type: ignore[assignment, method-assign] # it only raises

        def report() -> None:
            copy = worker.broker._organizations[ACME].copy
            if reports and copy:
                with suppress(UnavailableError):
                    worker.ask(rejected=copy.record.generation)

        times = keep_asking(fleet, HOUR, report)
        assert len(times) > 300
        assert not held_back(worker)

    @pytest.mark.parametrize(
        ("error", "least"), [(AmbiguousError("timeout"), 1000), (NotSentError("connect"), 1800)]
    )
    def test_outage_without_a_token(
        self, fleet: Fleet, worker: Worker, error: UpstreamError, least: int
    ) -> None:
        """Whether Canvas answers at once with a failure or cannot be reached."""
        worker.runtime.random = random.Random(1).random  # type: ignore[method-assign] # real jitter
        fleet.canvas.errors = [error] * 9999
        times = keep_asking(fleet, HOUR)
        assert len(times) > least
        assert not held_back(worker)

    def test_keys_replaced_again_and_again(self, fleet: Fleet, worker: Worker) -> None:
        """Each new pair authenticates at once."""
        for number in range(9):
            fleet.configure({ACME: [KEYS, NEW_KEYS][number % 2]})
            fleet.run(1)
            assert len(fleet.canvas.calls) == number + 1
            fleet.flush()

    def test_redis_comes_and_goes(self, fleet: Fleet, worker: Worker) -> None:
        """Provisional tokens are no reason for more calls."""

        def toggle() -> None:
            worker.link.down = fleet.clock.monotonic() % 90 < 45

        fleet.canvas.lifetime = 60.0
        keep_asking(fleet, HOUR, toggle)
        assert not held_back(worker)


class TestHostileRedis:
    """Whoever writes to Redis as he likes."""

    def test_each_token_refused(self, fleet: Fleet, worker: Worker) -> None:
        """A mark at each new record draws no more tokens out of Canvas than the brake allows."""

        def refuse() -> None:
            fleet.shelf().refused = True

        times = keep_asking(fleet, HOUR, refuse)
        assert LIMITS.tokens.most(HOUR) - 5 <= len(times) <= LIMITS.tokens.most(HOUR)
        assert most_within(times, MINUTE) <= LIMITS.tokens.most(MINUTE)
        assert held_back(worker)
        assert worker.health().last_error == "held_back"
        assert keep_asking(fleet, RECOVERY)
        assert worker.health().state is State.FRESH
        assert worker.health().last_error is None

    def test_each_record_outrun(self, fleet: Fleet, worker: Worker) -> None:
        """A commit that a made-up generation supersedes is a failure, with its backoff."""

        def outrun() -> None:
            fleet.shelf().generation += 10**12
            worker.link.before["commit"] = outrun

        worker.link.before["commit"] = outrun
        times = keep_asking(fleet, 10 * MINUTE)
        assert most_within(times, MINUTE) <= 30
        assert worker.health().last_error == "superseded"
        assert not worker.health().latched
        worker.link.before.clear()
        keep_asking(fleet, RECOVERY)
        assert worker.health().state is State.FRESH

    def test_a_commit_that_is_not_taken_over_fails(
        self, fleet: Fleet, worker: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Redis gives the new record the number of the old one: nobody would serve it."""
        given = worker.ask().generation
        commit = MemoryRecordStore.commit

        def same_number(*arguments: Any) -> Commitment:
            return replace(commit(*arguments), generation=given)

        fleet.clock.sleep(450)
        with monkeypatch.context() as patch:
            patch.setattr(MemoryRecordStore, "commit", same_number)
            worker.tick()
        assert worker.health().last_error == "superseded"
        assert worker.health().failures == 1
        assert worker.notes.lines.count("acme committed") == 1
        assert len(fleet.canvas.calls) == 2

    def test_redis_flushed_again_and_again(self, fleet: Fleet, worker: Worker) -> None:
        """Refused keys are not tried again for it: nine times in half a minute draw one call."""
        fleet.canvas.errors = [KeysRejectedError("keys_rejected")] * 99
        times = keep_asking(fleet, 26, fleet.flush)
        assert len(times) == 1
        times = keep_asking(fleet, 15 * MINUTE - 26, fleet.flush)
        assert len(times) <= 4

    @pytest.mark.parametrize("idle", [598, 700])
    def test_flushed_where_there_was_a_token(
        self, fleet: Fleet, worker: Worker, idle: float
    ) -> None:
        """The process remembers a dead one; that is no newer record."""
        worker.ask()
        fleet.clock.sleep(idle)
        fleet.flush()
        fleet.canvas.errors = [KeysRejectedError("keys_rejected")] * 99
        times = keep_asking(fleet, 26, fleet.flush)
        assert len(times) == 1

    def test_who_was_only_told_keeps_a_latch_too(self) -> None:
        """Whoever met the refusal vouches for it: a flush draws no call out of another process."""
        fleet = Fleet(2)
        fleet.canvas.errors = [KeysRejectedError("keys_rejected")] * 99
        fleet.workers[0].refused()
        assert isinstance(fleet.workers[1].refused(), CredentialsRejectedError)
        assert len(keep_asking(fleet, 26, fleet.flush)) == 0

    def test_a_made_up_pause_is_not_kept(self, fleet: Fleet, worker: Worker) -> None:
        """It holds while it lies there; once it is gone nobody remembers it."""
        store, now = fleet.server.open(ACME, KEYS), fleet.clock.redis()
        store.fail("somebody", 0, Failure("timeout", 29.0), clear_mark=False)
        assert fleet.shelf().backoff_until == pytest.approx(now + 29)
        assert isinstance(worker.refused(), TemporarilyUnavailableError)
        assert not keep_asking(fleet, 5)
        fleet.flush()
        fleet.run(2)
        assert worker.token() == "access-1"

    @pytest.mark.parametrize("latched", [False, True])
    def test_a_made_up_latch_ends_nothing(
        self, fleet: Fleet, worker: Worker, *, latched: bool
    ) -> None:
        """Of five minutes or a quarter of an hour: the process that would have left it did not."""
        shelf = fleet.shelf()
        shelf.backoff = Backoff(900.0, 1, "keys_rejected", latched, int(latched))
        shelf.backoff_attempt, shelf.backoff_server = "somebody", fleet.server.name
        shelf.backoff_written = fleet.clock.redis()
        shelf.backoff_until = shelf.backoff_ends = shelf.backoff_written + 900
        assert worker.token() == "access-1"

    def test_a_latch_is_taken_away(self, fleet: Fleet, worker: Worker) -> None:
        """Or made to look like another, shorter pause."""
        fleet.canvas.errors = [KeysRejectedError("keys_rejected")] * 99

        def shorten() -> None:
            shelf = fleet.shelf()
            shelf.backoff_until = fleet.clock.redis()
            if shelf.backoff:
                shelf.backoff = replace(shelf.backoff, latched=False, refusals=0, failures=1)

        times = keep_asking(fleet, 15 * MINUTE, shorten)
        assert len(times) <= 5

    def test_an_old_record_put_back_under_a_new_number(self, fleet: Fleet, worker: Worker) -> None:
        """It ends no latch: when Canvas gave it is sealed."""
        worker.ask()
        fleet.clock.sleep(598)
        old = replace(fleet.shelf())
        fleet.canvas.errors = [KeysRejectedError("keys_rejected")] * 99
        fleet.shelf().presented = "somebody"

        def put_back() -> None:
            shelf = fleet.shelf()
            number = shelf.generation + 10**6
            shelf.backoff, shelf.generation = None, number
            assert old.record is not None
            shelf.record = replace(old.record, generation=number)

        times = keep_asking(fleet, 15 * MINUTE, put_back)
        assert 1 <= len(times) <= 5

    def test_an_old_token_put_back_displaces_no_newer_one(
        self, fleet: Fleet, worker: Worker
    ) -> None:
        """It lives, under a higher number; when Canvas gave it is sealed."""
        worker.ask()
        old = replace(fleet.shelf())
        fleet.run(450, asking=True)
        assert worker.token() == "access-2"
        assert old.record is not None
        number = fleet.shelf().generation + 10**6
        shelf = fleet.shelf()
        shelf.record, shelf.generation = replace(old.record, generation=number), number
        fleet.run(140, asking=True)
        assert worker.token() == "access-2"
        fleet.run(250, asking=True)
        assert worker.token() == "access-3"

    def test_nor_where_it_outlives_the_newer_one(self, fleet: Fleet, worker: Worker) -> None:
        """As after a report of a token that Canvas answers 401 to."""
        fleet.canvas.lifetime = 900
        refused = worker.ask().generation
        fleet.run(11, asking=True)
        old = replace(fleet.shelf())
        fleet.canvas.lifetime = 600
        assert worker.ask(rejected=refused).access_token.reveal() == "access-2"
        assert old.record is not None
        number = fleet.shelf().generation + 10**6
        shelf = fleet.shelf()
        shelf.record, shelf.generation = replace(old.record, generation=number), number
        shelf.refused = False
        fleet.run(100, asking=True)
        assert worker.token() == "access-2"
        fleet.run(400, asking=True)
        assert worker.token() == "access-3"

    @pytest.mark.parametrize("told", [None, 1])
    def test_failures_grow_whatever_redis_says(
        self, fleet: Fleet, worker: Worker, told: int | None
    ) -> None:
        """Each pause is drawn from a longer span, though Redis forgets how many there were."""

        def forget() -> None:
            shelf = fleet.shelf()
            shelf.backoff = (
                replace(shelf.backoff, failures=told) if told and shelf.backoff else None
            )

        worker.ask()
        fleet.clock.sleep(450)
        worker.runtime.chance = 1.0
        fleet.canvas.errors = [AmbiguousError("timeout")] * 99
        times = keep_asking(fleet, 60, forget)
        assert len(times) <= 6


def test_canvas_that_asks_for_a_second_at_a_time(fleet: Fleet, worker: Worker) -> None:
    """It is Canvas's own word, and Redis is well; the brake holds all the same after a minute."""
    fleet.canvas.errors = [ThrottledError("throttled", retry_after=1.0)] * 9999
    times = keep_asking(fleet, HOUR)
    assert LIMITS.calls.most(HOUR) - 5 <= len(times) <= LIMITS.calls.most(HOUR)
    assert most_within(times, MINUTE) <= LIMITS.calls.most(MINUTE)
    assert worker.health().last_error == "held_back"
    fleet.canvas.errors = []
    keep_asking(fleet, 10)
    assert worker.health().state is State.FRESH
