"""``rejected``: a caller reports the generation that Canvas answered 401 to."""

from contextlib import suppress

import pytest

from broker.errors import AmbiguousError, StoreUnavailableError, TemporarilyUnavailableError
from broker.tokens import Kind
from tests.policy.fleet import ACME, LIMITS, Fleet, Worker, commit_elsewhere

OLD_ENOUGH = 11.0


def age(fleet: Fleet, seconds: float = OLD_ENOUGH) -> int:
    """Give every worker a token, let it grow older, and return its generation."""
    generations = {worker.ask().generation for worker in fleet.workers}
    fleet.run(seconds, asking=True)
    assert len(generations) == 1
    return generations.pop()


def no_answer() -> None:
    """Let one operation on Redis fail."""
    raise StoreUnavailableError("no answer")


def test_another_token_is_got(fleet: Fleet, worker: Worker) -> None:
    """The report of the current generation leads to one refresh and another token."""
    refused = age(fleet)
    served = worker.ask(rejected=refused)
    assert served.access_token.reveal() == "access-2"
    assert fleet.canvas.calls == [Kind.AUTHENTICATE, Kind.REFRESH]


def test_refreshed_once_however_many_ask(fleet: Fleet) -> None:
    """Reports of one generation to all workers cause one refresh for the whole fleet."""
    refused = age(fleet)
    tokens = {
        worker.ask(rejected=refused).access_token.reveal()
        for _ in range(20)
        for worker in fleet.workers
    }
    assert tokens == {"access-2"}
    assert len(fleet.canvas.calls) == 2


def test_refreshed_once_while_it_is_under_way(fleet: Fleet, worker: Worker, other: Worker) -> None:
    """A report to a second worker in the middle of the refresh starts no other one."""
    refused = age(fleet)
    answers: list[str] = []
    fleet.canvas.before_answer = lambda: answers.append(str(other.refused(rejected=refused)))
    assert worker.ask(rejected=refused).access_token.reveal() == "access-2"
    assert len(answers) == 1
    fleet.canvas.before_answer = lambda: None
    assert other.ask(rejected=refused).access_token.reveal() == "access-2"
    assert len(fleet.canvas.calls) == 2


def test_another_generation_is_served_at_once(fleet: Fleet, worker: Worker) -> None:
    """Who reports an older generation than the current one gets that one, without any I/O."""
    refused = age(fleet)
    worker.ask(rejected=refused)
    worker.link.counts.clear()
    assert worker.ask(rejected=refused).access_token.reveal() == "access-2"
    assert not worker.link.counts
    assert len(fleet.canvas.calls) == 2


@pytest.mark.parametrize("rejected", [1, 1_700_000_000_000_000])
def test_nonsense_is_harmless(fleet: Fleet, worker: Worker, rejected: int) -> None:
    """A generation that never was names no token."""
    age(fleet)
    assert worker.ask(rejected=rejected).access_token.reveal() == "access-1"
    assert len(fleet.canvas.calls) == 1


def test_young_token_is_not_doubted(fleet: Fleet, worker: Worker) -> None:
    """Within ten seconds of its minting a report changes nothing: come back in ten seconds."""
    refused = age(fleet, 5)
    error = worker.refused(rejected=refused)
    assert isinstance(error, TemporarilyUnavailableError)
    assert error.retry_after == 10
    assert len(fleet.canvas.calls) == 1
    assert worker.token() == "access-1"


def test_one_forced_refresh_a_minute(fleet: Fleet, worker: Worker, other: Worker) -> None:
    """The next generation may be reported again only after a minute."""
    newer = worker.ask(rejected=age(fleet)).generation
    fleet.run(OLD_ENOUGH, asking=True)
    error = other.refused(rejected=newer)
    assert error.retry_after == 60
    assert len(fleet.canvas.calls) == 2
    fleet.run(50, asking=True)
    assert other.ask(rejected=newer).access_token.reveal() == "access-3"


def test_upstream_load_does_not_grow_with_reports(fleet: Fleet) -> None:
    """Canvas refuses every token it gives; callers report each: one refresh a minute."""
    age(fleet)
    for _ in range(300):
        fleet.run(1)
        for worker in fleet.workers:
            given = worker.ask()
            try:
                worker.ask(rejected=given.generation)
            except TemporarilyUnavailableError:
                continue
    assert len(fleet.canvas.calls) <= 7


def test_not_the_same_one_when_the_refresh_fails(fleet: Fleet, worker: Worker) -> None:
    """The refused token is never given back to who refused it; the backoff is not shortened."""
    refused = age(fleet)
    fleet.canvas.errors = [AmbiguousError("timeout")]
    for _ in range(5):
        assert worker.refused(rejected=refused).retry_after >= 1
    assert len(fleet.canvas.calls) == 2
    assert worker.link.counts["report"] == 1
    assert worker.token() == "access-1"


def test_failed_forced_refresh_is_made_up_for(fleet: Fleet, worker: Worker) -> None:
    """An accepted report is not forgotten: the refresher tries again after the backoff."""
    refused = age(fleet)
    fleet.canvas.errors = [AmbiguousError("timeout")]
    worker.refused(rejected=refused)
    fleet.run(35)
    assert worker.ask(rejected=refused).access_token.reveal() == "access-2"


def test_worker_without_a_copy_does_not_give_it_back(
    fleet: Fleet, worker: Worker, other: Worker
) -> None:
    """A worker that has just started finds the refused token in Redis, and does not serve it."""
    refused = worker.ask().generation
    fleet.clock.sleep(5)
    assert other.refused(rejected=refused).retry_after == 10


def test_worker_that_lags_behind_does_not_give_it_back(
    fleet: Fleet, worker: Worker, other: Worker
) -> None:
    """Who reports a newer generation than this worker knows gets neither that nor the older."""
    refused = age(fleet, 70)
    other.runtime.hold = True
    newer = worker.ask(rejected=refused).generation
    assert newer > refused
    assert other.refused(rejected=newer).retry_after == 10
    assert other.token() == "access-2"


def test_min_ttl_does_not_give_it_back_either(fleet: Fleet, worker: Worker, other: Worker) -> None:
    """The look on behalf of the report fails, the one on behalf of min_ttl finds the refused."""
    refused = age(fleet, 100)
    other.runtime.hold = True
    newer = worker.ask(rejected=refused, min_ttl=540).generation
    other.runtime.hold = False
    other.runtime.held.clear()
    other.broker._flights._flights.clear()
    other.link.before["read"] = no_answer
    with suppress(TemporarilyUnavailableError):
        assert other.ask(rejected=newer, min_ttl=540).generation > newer


def test_not_under_its_provisional_generation(fleet: Fleet, worker: Worker, other: Worker) -> None:
    """A token served before its commit landed is the same token afterwards."""
    worker.link.before["commit"] = lambda: setattr(worker.link, "down", True)
    provisional = worker.ask().generation
    worker.link.down = False
    fleet.run(1)
    landed = worker.ask().generation
    other.ask()
    assert landed > provisional
    for each in (worker, other):
        assert each.refused(rejected=provisional).retry_after == 10
        assert each.refused(rejected=landed).retry_after == 10


def test_not_under_the_generation_it_landed_with_unseen(
    fleet: Fleet, worker: Worker, other: Worker
) -> None:
    """The commit landed, its answer was lost: others serve the token under a higher generation."""
    worker.link.deaf = {"commit"}
    provisional = worker.ask().generation
    landed = other.ask().generation
    assert landed > provisional
    worker.link.down = True
    assert worker.refused(rejected=landed).retry_after == 2
    assert worker.token() == "access-1"
    worker.link.down, worker.link.deaf = False, set()
    assert worker.refused(rejected=landed).retry_after == 10


def test_redis_down(fleet: Fleet, worker: Worker) -> None:
    """Without Redis a report cannot be acted on once for all, so it is not acted on at all."""
    refused = age(fleet)
    worker.link.down = True
    assert worker.refused(rejected=refused).retry_after == 2
    assert len(fleet.canvas.calls) == 1
    assert worker.token() == "access-1"


def test_redis_flushed(fleet: Fleet, worker: Worker) -> None:
    """A flush does not let a young token be doubted: it comes back under its generation."""
    refused = age(fleet, 5)
    fleet.flush()
    worker.refused(rejected=refused)
    assert len(fleet.canvas.calls) == 1


def test_critical_and_rejected_wait_once(fleet: Fleet, worker: Worker) -> None:
    """A request that waits for two reasons still ends in time."""
    refused = age(fleet)
    fleet.clock.sleep(564)
    worker.runtime.hold = True
    now = fleet.clock.monotonic()
    worker.refused(rejected=refused)
    assert fleet.clock.monotonic() - now <= 4.5
    worker.runtime.release()


@pytest.mark.parametrize("spent", [0.0, 0.6, 1.5, 2.9, 4.0])
def test_it_ends_in_time_beside_a_slow_redis(fleet: Fleet, worker: Worker, spent: float) -> None:
    """Each operation takes as long as one may: what is asked last begins early enough."""
    refused = age(fleet)
    fleet.clock.sleep(2 * LIMITS.revalidate)
    worker.link.seconds = LIMITS.redis_worst
    worker.link.before["report"] = lambda: commit_elsewhere(fleet)
    began = fleet.clock.monotonic()
    with suppress(TemporarilyUnavailableError):
        worker.broker.token(ACME, rejected=refused, spent=spent)
    took = fleet.clock.monotonic() - began
    assert LIMITS.redis_worst <= took + spent <= LIMITS.request
