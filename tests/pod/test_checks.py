"""How Redis, Canvas, files and workers are judged for operators."""

import pytest

from broker.pod.checks import (
    judge_canvas,
    judge_files,
    judge_redis,
    judge_workers,
    last_success,
    store_reason,
)
from broker.pod.judgement import Status
from broker.pod.merge import merge
from broker.pod.snapshot import WorkerSnapshot
from broker.policy.health import OrganizationHealth
from tests.pod.samples import FAILING, GOOD, IDLE, LATCHED, NO_REDIS, empty, files, pod_of, worker

FULL = GOOD._replace(organization="full", store_fault="out_of_memory")
OTHER_FULL = FULL._replace(organization="initech")


@pytest.mark.parametrize(
    ("workers", "status", "words"),
    [
        ([worker(1), worker(2)], Status.PASS, "Redis answers."),
        ([worker(1, redis_set_up=0.9)], Status.PASS, "Redis answers."),
        ([worker(1, NO_REDIS)], Status.WARN, "does not answer in time. Tokens come from memory"),
        ([worker(1, NO_REDIS), worker(2)], Status.WARN, "in time. This concerns 1 of 2 workers."),
        ([worker(1, NO_REDIS), worker(2, NO_REDIS)], Status.WARN, "in time. Tokens come"),
        ([worker(1, IDLE, NO_REDIS)], Status.WARN, "This concerns only acme. Tokens"),
        (
            [worker(1, IDLE, NO_REDIS), worker(2, IDLE)],
            Status.WARN,
            "This concerns 1 of 2 workers and only acme.",
        ),
        (
            [worker(1, FULL, NO_REDIS, OTHER_FULL)],
            Status.WARN,
            "no memory left, and refuses writes.",
        ),
    ],
)
def test_redis(workers: list[WorkerSnapshot], status: Status, words: str) -> None:
    """It answers each worker, or it is told why not, whom that concerns, and what to do.

    Where one node of a cluster is sick, that is some organizations. Of several reasons, that which
    concerns most is told.
    """
    pod = merge(workers, [], 2)
    verdict, reason = judge_redis(pod), store_reason(pod)
    assert verdict.status is status
    assert words in verdict.sentence
    assert (status is Status.PASS) == (reason is None)
    assert reason is None or verdict.sentence.endswith(reason.remedy())


def test_connections_that_come_too_late() -> None:
    """Redis answers, and yet an operation may fail: the setting is named, and what it lacks."""
    workers = [worker(1, redis_set_up=1.6), worker(2, redis_set_up=0.2), worker(3)]
    verdict = judge_redis(merge(workers, [], 3))
    assert verdict.status is Status.WARN
    assert "takes 1.6 s, and an operation waits 1 s" in verdict.sentence
    assert "raise BROKER_REDIS_CONNECT_TIMEOUT by 0.7." in verdict.sentence


def _named(*names: str) -> list[OrganizationHealth]:
    return [FAILING._replace(organization=name) for name in names]


@pytest.mark.parametrize(
    ("organizations", "status", "words"),
    [
        ([GOOD], Status.PASS, "Canvas gives tokens."),
        ([IDLE], Status.PASS, "no token yet"),
        ([], Status.PASS, "no token yet"),
        ([FAILING], Status.WARN, "fail for acme (timeout: no whole answer in time): Canvas or"),
        ([GOOD, *_named("a", "b", "c")], Status.WARN, "fail for a, b, c (timeout: "),
        (_named("a", "b", "c", "d", "e"), Status.WARN, "fail for a, b, c and 2 more"),
        ([LATCHED], Status.PASS, "gives tokens"),
        ([FAILING._replace(last_error="crashed")], Status.PASS, "gives tokens"),
        ([FAILING._replace(last_error="superseded")], Status.PASS, "gives tokens"),
        ([NO_REDIS], Status.PASS, "gives tokens"),
    ],
)
def test_canvas(organizations: list[OrganizationHealth], status: Status, words: str) -> None:
    """Its failures, and neither refused keys nor what is our own fault."""
    verdict = judge_canvas(pod_of(*organizations))
    assert verdict.status is status
    assert words in verdict.sentence


@pytest.mark.parametrize(
    ("organizations", "age"),
    [
        ([], None),
        ([IDLE], None),
        ([GOOD], 87.1),
        ([GOOD, IDLE, FAILING._replace(organization="b", last_refresh=9.0)], 9.0),
        ([empty(organization="b", last_refresh=9.0), GOOD], 9.0),
    ],
)
def test_last_success(organizations: list[OrganizationHealth], age: float | None) -> None:
    """The newest token of all, also one that is over."""
    assert last_success(pod_of(*organizations)) == age


def test_files() -> None:
    """All problems in one sentence, with what to do."""
    assert judge_files(files()).status is Status.PASS
    status, sentence = judge_files(files("callers", "X is not TOML", "Y does not exist"))
    assert status is Status.WARN
    assert "mend the files: X is not TOML; Y does not exist." in sentence


class TestWorkers:
    def test_all_answer(self) -> None:
        """Each with its uptime; more than expected are no harm: a reload replaces them."""
        told = list(judge_workers(merge([worker(8), worker(9)], [], 1)))
        assert [(pid, verdict.status, uptime) for pid, verdict, uptime in told] == [
            ("8", Status.PASS, 33.3),
            ("9", Status.PASS, 33.3),
        ]

    def test_one_without_room_is_named(self) -> None:
        """It serves, but whoever looks at the metrics must know that they lack something."""
        ((_, verdict, uptime),) = judge_workers(merge([worker(8, counted=False)], [], 1))
        assert (verdict.status, uptime) == (Status.WARN, 33.3)
        assert "/metrics lacks what it counts" in verdict.sentence

    def test_a_silent_one_is_named(self) -> None:
        """It is not missing besides."""
        (_, silent) = judge_workers(merge([worker(8)], [9], 2))
        assert silent[0] == "9"
        assert silent[1].status is Status.WARN
        assert "does not answer" in silent[1].sentence
        assert silent[2] is None

    def test_missing_ones_are_counted(self) -> None:
        """This one alone, though three are expected."""
        (_, missing) = judge_workers(merge([worker(8)], [], 3))
        assert missing[0] == "missing"
        assert missing[1].status is Status.WARN
        assert "2 of 3 workers cannot be seen" in missing[1].sentence
