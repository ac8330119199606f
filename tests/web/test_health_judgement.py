"""The body of ``/health`` as a whole."""

from typing import Any

import pytest

from broker import __version__
from broker.pod.judgement import Status, judge
from broker.pod.listing import Judged, Wanted
from broker.pod.merge import merge
from broker.pod.snapshot import FilesReport, Pod
from broker.policy.health import OrganizationHealth
from broker.policy.history import REMEMBERED, Event
from broker.web import examples
from broker.web.health import organization_check, summary
from broker.web.health_schemas import HEALTH_ANSWER
from tests.pod.samples import (
    FAILING,
    GOOD,
    HISTORY,
    IDLE,
    LATCHED,
    NO_REDIS,
    NOW,
    OVERDUE,
    REFUSING,
    SKEWED,
    UNLANDED,
    empty,
    files,
    pod_of,
    worker,
)

LONG: dict[str, Any] = {"refusing": True, "overdue": 75.1}


def unused(health: OrganizationHealth) -> OrganizationHealth:
    """Return it as nobody asks for it."""
    return health._replace(in_use=False)


def entry_of(health: OrganizationHealth, *recent: Event) -> dict[str, Any]:
    """Return the entry of an organization to which this happened last."""
    return organization_check(Judged(health, judge(health)), {health.organization: recent})


def body_of(pod: Pod, now: float = NOW, recent: tuple[Event, ...] = ()) -> dict[str, Any]:
    """Return the body of the first page, where this happened to all."""
    return summary(pod, now, Wanted(), lambda names: dict.fromkeys(names, recent))


BROKEN = files("callers", "BROKER_CALLERS_FILE is not TOML")


class TestOneOrganization:
    def test_the_entry_holds_what_the_contract_lists(self) -> None:
        """In whole seconds, with the fingerprint of the keys and never the keys."""
        timeout = Event(8.7, "refresh", 5.04, "ambiguous", "timeout")
        health = FAILING._replace(skew=31.26)
        assert entry_of(health, timeout, *HISTORY) == {
            "componentId": "acme",
            "status": "warn",
            "output": "The last refresh failed (timeout: no whole answer in time) and is tried "
            "again: Canvas or the network is slow, check both; the limit is "
            "BROKER_UPSTREAM_TIMEOUT.",
            "state": "fresh",
            "generation": 100,
            "expires_in": 512,
            "refresh_expires_in": 86000,
            "margin": 200,
            "lifetime": 600,
            "refresh_lifetime": 86400,
            "last_refresh_seconds_ago": 87,
            "flaws": [],
            "last_error": "timeout",
            "failures": 3,
            "latched": False,
            "in_use": True,
            "refusing": False,
            "next_attempt_in": 4,
            "clock_skew": 31.3,
            "credential_version": "0123456789abcdef",
            "token_of_credential_version": "0123456789abcdef",
            "recent": [
                {
                    "seconds_ago": 8,
                    "kind": "refresh",
                    "seconds": 5.0,
                    "outcome": "ambiguous",
                    "error": "timeout",
                },
                {
                    "seconds_ago": 86,
                    "kind": "authenticate",
                    "seconds": 0.3,
                    "outcome": "success",
                    "error": None,
                },
            ],
        }

    def test_without_a_token_its_times_are_null(self) -> None:
        """Not 0, which would be one that has just died."""
        entry = entry_of(empty()._replace(lifetime=None, margin=None, skew=None))
        names = ("generation", "expires_in", "margin", "lifetime", "clock_skew", "last_error")
        assert [entry[name] for name in names] == [None] * len(names)
        assert entry["recent"] == []


class TestSummary:
    @pytest.mark.parametrize(
        ("organizations", "reports", "status"),
        [
            ([GOOD], (), Status.PASS),
            ([GOOD, IDLE], (files(),), Status.PASS),
            ([GOOD, FAILING], (), Status.WARN),
            ([SKEWED], (), Status.WARN),
            ([UNLANDED], (), Status.WARN),
            ([OVERDUE], (), Status.WARN),
            ([NO_REDIS], (), Status.WARN),
            ([GOOD, empty(LATCHED)], (), Status.WARN),
            ([IDLE, empty(LATCHED)], (), Status.WARN),
            ([GOOD], (files("credentials"), BROKEN), Status.WARN),
            ([empty(LATCHED)], (), Status.FAIL),
            ([empty(LATCHED), empty(FAILING)._replace(organization="b")], (BROKEN,), Status.FAIL),
            ([empty(NO_REDIS)], (), Status.FAIL),
            ([GOOD, empty(**REFUSING)], (), Status.WARN),
            ([empty(**REFUSING)], (), Status.WARN),
            ([empty(**LONG)], (), Status.FAIL),
            ([empty(**LONG), empty(LATCHED)], (), Status.FAIL),
            ([GOOD, empty(**LONG)], (), Status.WARN),
            # What nobody asks for makes up for nothing, and spoils nothing.
            ([empty(**LONG), unused(GOOD)], (), Status.FAIL),
            ([empty(**LONG), unused(IDLE)], (), Status.FAIL),
            ([GOOD, unused(empty(LATCHED))], (), Status.WARN),
            ([unused(IDLE), unused(empty(LATCHED))], (), Status.WARN),
            ([unused(empty(LATCHED))], (), Status.FAIL),
            ([], (), Status.FAIL),
        ],
    )
    def test_it_fails_when_none_that_is_asked_for_can_be_served(
        self,
        organizations: list[OrganizationHealth],
        reports: tuple[FilesReport, ...],
        status: Status,
    ) -> None:
        """Or none at all. And it warns when anything is not as it should be."""
        named = [one._replace(organization=f"o{n}") for n, one in enumerate(organizations)]
        assert body_of(pod_of(*named, reports=reports))["status"] is status

    @pytest.mark.parametrize(("silent", "expected"), [([], 2), ([8], 2), ([8], 1)])
    def test_a_worker_that_is_not_heard_warns(self, silent: list[int], expected: int) -> None:
        """Nobody knows what it serves; the others are well."""
        body = body_of(merge([worker(7)], silent, expected))
        assert body["status"] is Status.WARN
        assert [entry["status"] for entry in body["checks"]["workers"]] == ["pass", "warn"]

    def test_it_has_the_form_of_the_health_format(self) -> None:
        """Version, service, and the checks by component and measurement."""
        body = body_of(pod_of(GOOD, IDLE, reports=(files("callers"),)))
        checks = body.pop("checks")
        assert body == {
            "status": "pass",
            "version": __version__,
            "serviceId": "canvas-token-broker",
            "organizations": {
                "total": 2,
                "in_use": 2,
                "status": {"pass": 2, "warn": 0, "fail": 0},
                "state": {"fresh": 1, "stale": 0, "critical": 0, "empty": 1},
                "found": 2,
                "page": 1,
                "pages": 1,
                "limit": 100,
            },
        }
        tokens = checks.pop("organization:token")
        assert [entry["componentId"] for entry in tokens] == ["acme", "globex"]
        files_entry, worker_entry = checks.pop("files"), checks.pop("workers")
        assert checks == {
            "redis:connection": [{"status": "pass", "output": "Redis answers.", "reason": None}],
            "upstream:connection": [
                {"status": "pass", "output": "Canvas gives tokens.", "last_success_seconds_ago": 87}
            ],
        }
        assert files_entry == [
            {
                "componentId": "callers",
                "status": "pass",
                "output": "The files are in force as they lie there.",
                "last_reload_seconds_ago": 60,
            }
        ]
        assert worker_entry == [
            {"componentId": "7", "status": "pass", "output": "It answers.", "uptime": 33}
        ]

    def test_a_clock_set_back_makes_no_reload_of_the_future(self) -> None:
        """The age is told by the host's clock, which may jump."""
        (entry,) = body_of(pod_of(GOOD, reports=(files(),)), NOW - 3600)["checks"]["files"]
        assert entry["last_reload_seconds_ago"] == 0


class TestSchema:
    def test_it_takes_every_body_and_drops_nothing(self) -> None:
        """Also one where all that may be null is."""
        broken = files("certificates", "BROKER_TLS_KEY_FILE is not a key")
        nothing = empty()._replace(lifetime=None, margin=None, refresh_lifetime=None, skew=None)
        for organizations in ([GOOD, LATCHED], [FAILING], [nothing], []):
            pod = merge([worker(7, *organizations, files=(broken, files()))], [8], 4)
            body = body_of(pod, recent=HISTORY)
            assert HEALTH_ANSWER.dump(body) == body
            assert not HEALTH_ANSWER.validate(HEALTH_ANSWER.dump(body))

    def test_the_example_is_a_body(self) -> None:
        """With the fields of a real one and no other."""
        assert not HEALTH_ANSWER.validate(examples.HEALTH)
        assert HEALTH_ANSWER.dump(examples.HEALTH) == examples.HEALTH

    def test_more_events_than_are_told_are_no_body(self) -> None:
        """The page has room for so many."""
        event = Event(1.0, "elsewhere", None, "success")
        body = body_of(pod_of(GOOD), recent=(event,) * REMEMBERED)
        assert not HEALTH_ANSWER.validate(HEALTH_ANSWER.dump(body))
        body = body_of(pod_of(GOOD), recent=(event,) * (REMEMBERED + 1))
        assert HEALTH_ANSWER.validate(HEALTH_ANSWER.dump(body))
