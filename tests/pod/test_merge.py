from typing import Any

import pytest

from broker.pod.merge import merge, merge_organization
from broker.policy.health import OrganizationHealth
from broker.tokens import State
from tests.pod.samples import (
    FAILING,
    GOOD,
    IDLE,
    LATCHED,
    NEXT_VERSION,
    NO_REDIS,
    REFUSING,
    VERSION,
    empty,
    files,
    worker,
)

NEWER = GOOD._replace(generation=200, expires_in=590.0, last_refresh=10.0)
LONG_AGO, JUST_NOW = 20.0, 5.0


def merged(*views: OrganizationHealth) -> OrganizationHealth:
    """Return the organization of the pod; the order of the workers does not matter."""
    forth, back = merge_organization(views), merge_organization(views[::-1])
    assert forth == back
    return forth


def fields(health: OrganizationHealth, **expected: Any) -> dict[str, Any]:
    """Return those fields that are expected."""
    return {name: getattr(health, name) for name in expected}


class TestToken:
    def test_one_worker_is_the_pod(self) -> None:
        """Nothing is lost on the way."""
        assert merged(FAILING) == FAILING

    @pytest.mark.parametrize(
        ("views", "expected"),
        [
            ([GOOD, NEWER], {"generation": 200, "expires_in": 590.0, "last_refresh": 10.0}),
            ([GOOD, empty()], {"generation": 100, "state": State.FRESH}),
            ([empty(), empty()], {"generation": None, "state": State.EMPTY}),
            # A dead token is served by nobody, whatever its number.
            ([GOOD, NEWER._replace(state=State.EMPTY)], {"generation": 100, "state": State.FRESH}),
            # One worker has gone over to new keys and the other has not read them yet.
            (
                [GOOD, GOOD._replace(credential_version=NEXT_VERSION)],
                {"credential_version": NEXT_VERSION, "record_version": VERSION},
            ),
        ],
    )
    def test_the_newest_token_that_anybody_serves_is_told(
        self, views: list[OrganizationHealth], expected: dict[str, Any]
    ) -> None:
        """With all its times."""
        assert fields(merged(*views), **expected) == expected


class TestTrouble:
    @pytest.mark.parametrize(
        ("views", "failures", "latched"),
        [
            ([GOOD, FAILING], 3, False),
            ([FAILING, FAILING._replace(failures=5)], 5, False),
            ([LATCHED, FAILING], 1, True),
            ([empty(), empty(FAILING)], 3, False),
            # A newer token came since: by the time of the failure where it was this worker's own,
            # by the generation where it was not.
            ([NEWER, FAILING._replace(failed=LONG_AGO)], 0, False),
            ([NEWER, FAILING._replace(failed=JUST_NOW)], 3, False),
            ([NEWER, FAILING], 0, False),
            ([NEWER, LATCHED], 0, False),
            # The newer one came with a failure: it lives too short, say.
            ([NEWER._replace(failures=1), FAILING], 1, False),
            # A worker that has no token knows more than one that has an old one.
            ([GOOD, empty(FAILING)], 3, False),
            ([NEWER, empty(FAILING, failed=JUST_NOW)], 3, False),
            ([NEWER, empty(FAILING, failed=LONG_AGO)], 0, False),
        ],
    )
    def test_the_worst_counts_unless_a_newer_token_came_since(
        self, views: list[OrganizationHealth], failures: int, latched: bool
    ) -> None:
        """A failure that is over is no news."""
        told = merged(*views)
        assert (told.failures, told.latched) == (failures, latched)

    def test_all_about_the_failure_comes_from_one_worker(self) -> None:
        """The kind of one does not stand beside the pause of another."""
        other = FAILING._replace(failures=2, last_error="dns", next_attempt_in=60.0)
        expected = {"failures": 3, "last_error": "timeout", "next_attempt_in": 4.6}
        assert fields(merged(other, FAILING, GOOD), **expected) == expected

    def test_redis_must_answer_all(self) -> None:
        """And each commit must have landed."""
        assert not merged(GOOD, NO_REDIS).store_answers
        assert not merged(GOOD, GOOD._replace(landed=False)).landed
        assert merged(GOOD, NO_REDIS).store_fault == "timeout"
        told = merged(GOOD, NEWER)
        assert (told.store_answers, told.landed) == (True, True)


class TestTheRest:
    def test_it_is_in_use_if_any_worker_keeps_it_warm(self) -> None:
        """The others do not need to be asked."""
        assert merged(GOOD._replace(in_use=False), GOOD).in_use
        assert not merged(*[GOOD._replace(in_use=False)] * 2).in_use

    @pytest.mark.parametrize(
        ("views", "overdue"),
        [
            ([GOOD._replace(overdue=5.0), GOOD._replace(overdue=0.0)], 5.0),
            # Whoever comes to the late one makes it look, and gets the newer.
            ([NEWER, GOOD._replace(overdue=50.0)], 0.0),
            # Here it cannot look.
            ([NEWER, NO_REDIS._replace(overdue=50.0)], 50.0),
            ([NEWER, empty(NO_REDIS, overdue=70.0)], 70.0),
            ([empty(overdue=8.0), empty(overdue=9.0)], 9.0),
        ],
    )
    def test_overdue_is_the_worst_that_a_caller_may_meet(
        self, views: list[OrganizationHealth], overdue: float
    ) -> None:
        """Not what it makes better by asking."""
        assert merged(*views).overdue == overdue

    @pytest.mark.parametrize(
        ("views", "refusing"),
        [
            ([empty(**REFUSING), empty()], True),
            ([empty(), empty()], False),
            # Asking makes it look, and it gets the other's.
            ([GOOD, empty(**REFUSING)], False),
            # Here it cannot look.
            ([GOOD, empty(NO_REDIS, **REFUSING)], True),
        ],
    )
    def test_requests_are_refused_where_a_caller_may_meet_that(
        self, views: list[OrganizationHealth], refusing: bool
    ) -> None:
        """In one worker is enough."""
        assert merged(*views).refusing is refusing

    def test_the_skew_is_the_last_that_was_measured(self) -> None:
        """By whoever got a token last; what came from elsewhere measures nothing."""
        old = GOOD._replace(skew=600.0, skew_age=90.0)
        new = GOOD._replace(skew=1.0, skew_age=10.0)
        never = NEWER._replace(skew=None, skew_age=None)
        assert merged(old, new, never).skew == 1.0
        assert merged(old, never).skew == 600.0
        assert merged(never).skew is None


class TestPod:
    def test_organizations_and_workers_are_in_order(self) -> None:
        """Also one that a worker has not read yet."""
        pod = merge([worker(9, IDLE), worker(8, GOOD)], [11, 10], 4)
        assert [one.pid for one in pod.workers] == [8, 9]
        assert (pod.silent, pod.expected) == ((10, 11), 4)
        assert [one.organization for one in pod.organizations] == ["acme", "globex"]

    def test_files_have_the_problems_of_all_each_once(self) -> None:
        """And the age of the worker that took over nothing for longest."""
        one = files("callers", "a", "b", taken_at=100.0)
        other = files("callers", "b", "c", taken_at=50.0)
        pod = merge(
            [worker(1, files=(one, files("credentials"))), worker(2, files=(other,))], [], 2
        )
        assert pod.files == (
            files("callers", "a", "b", "c", taken_at=50.0),
            files("credentials"),
        )
