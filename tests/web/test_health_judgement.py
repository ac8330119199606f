"""How an organization, and all of them together, are judged for operators and for probes."""

from dataclasses import replace

import pytest

from broker import __version__
from broker.policy.answers import OrganizationHealth
from broker.tokens import State
from broker.web.health import Status, is_ready, judge, organization_check, summary

GOOD = OrganizationHealth(
    organization="acme",
    state=State.FRESH,
    generation=1_800_000_000_000_000,
    expires_in=512.9,
    refresh_expires_in=86000.2,
    last_refresh=87.1,
    last_error=None,
    failures=0,
    latched=False,
    next_attempt_in=None,
    store_answers=True,
    landed=True,
    credential_version="0123456789abcdef",
    record_version="0123456789abcdef",
    skew=0.04,
)
FAILING = replace(GOOD, failures=3, last_error="timeout", next_attempt_in=4.6)
LATCHED = replace(GOOD, failures=1, last_error="unauthorized", latched=True, next_attempt_in=800.0)
NO_REDIS = replace(GOOD, store_answers=False)
SKEWED = replace(GOOD, skew=-30.1)
UNLANDED = replace(GOOD, landed=False)


def _empty(health: OrganizationHealth) -> OrganizationHealth:
    return replace(health, state=State.EMPTY, generation=None, expires_in=None)


IDLE = _empty(replace(GOOD, organization="globex"))


class TestOneOrganization:
    @pytest.mark.parametrize("state", [State.FRESH, State.STALE, State.CRITICAL])
    def test_a_valid_token_passes(self, state: State) -> None:
        """Also one that is soon to be refreshed."""
        assert judge(replace(GOOD, state=state)) == (Status.PASS, "A valid token is there.")

    def test_no_token_and_nothing_in_the_way_passes(self) -> None:
        """It is idle: the next request gets one."""
        status, sentence = judge(IDLE)
        assert status is Status.PASS
        assert "next request" in sentence

    @pytest.mark.parametrize(
        ("health", "words"),
        [
            (FAILING, "failed (timeout)"),
            (LATCHED, "refuses the keys"),
            (NO_REDIS, "Redis does not answer"),
        ],
    )
    def test_what_hinders_a_refresh_warns_with_a_token_and_fails_without(
        self, health: OrganizationHealth, words: str
    ) -> None:
        """The sentence is the same."""
        warned, warning = judge(health)
        failed, failure = judge(_empty(health))
        assert (warned, failed) == (Status.WARN, Status.FAIL)
        assert words in warning == failure

    def test_refused_keys_are_told_before_all_else(self) -> None:
        """They alone need a hand."""
        assert "keys" in judge(replace(LATCHED, store_answers=False, landed=False))[1]

    def test_a_commit_that_has_not_landed_warns(self) -> None:
        """The token is served from memory meanwhile."""
        assert judge(UNLANDED)[0] is Status.WARN

    @pytest.mark.parametrize(
        ("skew", "status"),
        [
            (None, Status.PASS),
            (30.0, Status.PASS),
            (-30.0, Status.PASS),
            (30.1, Status.WARN),
            (-600.0, Status.WARN),
        ],
    )
    def test_a_clock_that_is_off_warns_from_thirty_seconds_on(
        self, skew: float | None, status: Status
    ) -> None:
        """In either direction."""
        assert judge(replace(GOOD, skew=skew))[0] is status

    def test_the_entry_holds_what_the_contract_lists(self) -> None:
        """In whole seconds, with the fingerprint of the keys and never the keys."""
        assert organization_check(replace(FAILING, skew=31.26)) == {
            "componentId": "acme",
            "status": "warn",
            "output": "The last refresh failed (timeout); it is tried again.",
            "state": "fresh",
            "generation": 1_800_000_000_000_000,
            "expires_in": 512,
            "refresh_expires_in": 86000,
            "last_refresh_seconds_ago": 87,
            "last_error": "timeout",
            "failures": 3,
            "next_attempt_in": 4,
            "clock_skew": 31.3,
            "credential_version": "0123456789abcdef",
            "token_of_credential_version": "0123456789abcdef",
        }


class TestSummary:
    @pytest.mark.parametrize(
        ("organizations", "problems", "status"),
        [
            ([GOOD], [], Status.PASS),
            ([GOOD, IDLE], [], Status.PASS),
            ([GOOD, FAILING], [], Status.WARN),
            ([SKEWED], [], Status.WARN),
            ([UNLANDED], [], Status.WARN),
            ([NO_REDIS], [], Status.WARN),
            ([GOOD, _empty(LATCHED)], [], Status.WARN),
            ([IDLE, _empty(LATCHED)], [], Status.WARN),
            ([GOOD], ["BROKER_CALLERS_FILE is not TOML"], Status.WARN),
            ([_empty(LATCHED)], [], Status.FAIL),
            ([_empty(LATCHED), _empty(FAILING)], ["one more"], Status.FAIL),
            ([_empty(NO_REDIS)], [], Status.FAIL),
            ([], [], Status.FAIL),
        ],
    )
    def test_it_fails_only_when_no_organization_at_all_can_be_served(
        self, organizations: list[OrganizationHealth], problems: list[str], status: Status
    ) -> None:
        """And warns when anything is not as it should be."""
        assert summary(organizations, problems)["status"] is status

    def test_it_has_the_form_of_the_health_format(self) -> None:
        """Version, service, and the checks by component and measurement."""
        body = summary([GOOD, IDLE], [])
        checks = body.pop("checks")
        assert body == {
            "status": "pass",
            "version": __version__,
            "serviceId": "canvas-token-broker",
        }
        assert list(checks) == ["organization:token", "redis:connection", "files"]
        assert [entry["componentId"] for entry in checks["organization:token"]] == [
            "acme",
            "globex",
        ]
        assert checks["redis:connection"] == [{"status": "pass", "output": "Redis answers."}]
        assert checks["files"] == [{"status": "pass", "output": []}]

    def test_a_redis_that_is_silent_to_one_is_told(self) -> None:
        """It is one Redis for all."""
        entry = summary([GOOD, NO_REDIS], [])["checks"]["redis:connection"][0]
        assert entry["status"] is Status.WARN
        assert "does not answer" in entry["output"]

    def test_problems_of_the_files_are_told_in_full(self) -> None:
        """They name files and settings, which operators need."""
        entry = summary([GOOD], ["one", "two"])["checks"]["files"][0]
        assert entry == {"status": "warn", "output": ["one", "two"]}


class TestReady:
    @pytest.mark.parametrize(
        "organizations",
        [
            [GOOD],
            [IDLE],
            [FAILING],
            [NO_REDIS],
            [LATCHED],
            [UNLANDED],
            [SKEWED],
            [_empty(SKEWED)],
            [_empty(LATCHED), GOOD],
            [_empty(FAILING), IDLE],
            [_empty(NO_REDIS), replace(NO_REDIS, state=State.CRITICAL)],
        ],
    )
    def test_a_worker_that_can_serve_anybody_is_ready(
        self, organizations: list[OrganizationHealth]
    ) -> None:
        """An outage takes no pod away that still has a valid token, nor does a wrong clock."""
        assert is_ready(organizations)

    @pytest.mark.parametrize(
        "organizations",
        [
            [],
            [_empty(LATCHED)],
            [_empty(FAILING)],
            [_empty(NO_REDIS)],
            [_empty(LATCHED), _empty(NO_REDIS)],
        ],
    )
    def test_a_worker_that_can_serve_nobody_is_not(
        self, organizations: list[OrganizationHealth]
    ) -> None:
        """Nothing is loaded, or nothing is left."""
        assert not is_ready(organizations)
