"""How an organization is judged for operators, and what they are told to do."""

import pytest

from broker.failure_kinds import OURS, TABLE
from broker.pod.judgement import Status, judge
from broker.policy.health import OrganizationHealth
from broker.tokens import State
from tests.pod.samples import (
    CACHED,
    DAMAGED,
    FAILING,
    FLAWED,
    GOOD,
    IDLE,
    LATCHED,
    NO_REDIS,
    OVERDUE,
    REFUSING,
    SKEWED,
    UNLANDED,
    empty,
)


@pytest.mark.parametrize("state", [State.FRESH, State.STALE, State.CRITICAL])
def test_a_valid_token_passes(state: State) -> None:
    """Also one that is soon to be refreshed."""
    assert judge(GOOD._replace(state=state)) == (Status.PASS, "A valid token is there.")


def test_no_token_and_nothing_in_the_way_passes() -> None:
    """It is idle: the next request gets one."""
    status, sentence = judge(IDLE)
    assert status is Status.PASS
    assert "next request" in sentence


@pytest.mark.parametrize(
    ("health", "wrong", "to_do"),
    [
        (FAILING, "failed (timeout: no whole answer in time)", "check both"),
        (
            FAILING._replace(last_error="dns"),
            "failed (dns: the host name could not be resolved)",
            "check name resolution",
        ),
        (
            FAILING._replace(last_error="status_500"),
            "failed (status_500: Canvas answered 500)",
            "tell its vendor",
        ),
        (LATCHED, "asked again in 13 min", "replace this organization's credentials"),
        (LATCHED._replace(next_attempt_in=27.4), "asked again in 27 s", "write their files anew"),
        (
            LATCHED._replace(next_attempt_in=0.0),
            "refuses the keys and is asked again now",
            "restart",
        ),
        (NO_REDIS, "Redis does not answer in time", "Check the network"),
    ],
)
def test_what_hinders_a_refresh_warns_with_a_token_and_fails_without(
    health: OrganizationHealth, wrong: str, to_do: str
) -> None:
    """The sentence is the same: what is wrong, and what to do."""
    warned, warning = judge(health)
    failed, failure = judge(empty(health))
    assert (warned, failed) == (Status.WARN, Status.FAIL)
    assert wrong in warning == failure
    assert to_do in warning


@pytest.mark.parametrize(
    ("health", "wrong", "to_do"),
    [
        (UNLANDED, "not in Redis yet", "check that Redis takes writes"),
        (SKEWED, "differ by 31 s", "time synchronization"),
        (OVERDUE, "due for 75 s", "look in the log"),
        (FLAWED, "not as documented (no_prefix, no_refresh_token)", "tell Canvas's vendor"),
        (DAMAGED, "Redis held what no broker writes", "find out who else writes"),
        (CACHED, "came from a cache (from_cache)", "cache none of it"),
    ],
)
def test_what_hinders_nothing_warns(health: OrganizationHealth, wrong: str, to_do: str) -> None:
    """With what to do; a token is not needed for that to be said."""
    for one in (health, empty(health)):
        status, sentence = judge(one)
        assert status is Status.WARN
        assert wrong in sentence
        assert to_do in sentence


@pytest.mark.parametrize(
    ("overdue", "status"), [(3.2, Status.WARN), (75.0, Status.WARN), (75.1, Status.FAIL)]
)
def test_requests_that_are_refused_warn_and_then_fail(overdue: float, status: Status) -> None:
    """Though nothing is known to hinder a token; what hinders nothing is told after it."""
    told = judge(empty(SKEWED, refusing=True, overdue=overdue))
    assert told.status is status
    assert told.sentence.startswith("Requests are refused: there is no token")
    assert f"due for {overdue:.0f} s" in told.sentence
    assert "look in the log" in told.sentence


def test_who_was_just_asked_for_the_first_time_passes() -> None:
    """A request waits, and gets one."""
    assert judge(empty(overdue=2.9)).status is Status.PASS


@pytest.mark.parametrize("health", [FAILING, LATCHED, NO_REDIS])
def test_what_hinders_says_that_requests_are_refused(health: OrganizationHealth) -> None:
    """At once a failure, as long as there is no token; elsewhere it is one worker's."""
    status, sentence = judge(empty(health, **REFUSING))
    assert status is Status.FAIL
    assert sentence == f"{judge(empty(health)).sentence} Requests are refused meanwhile."
    status, sentence = judge(health._replace(refusing=True))
    assert status is Status.WARN
    assert sentence.endswith("Workers without a token refuse requests meanwhile.")


def test_refused_keys_are_told_before_all_else() -> None:
    """They alone need a hand."""
    worst = LATCHED._replace(store_fault="timeout", landed=False, skew=99.0, overdue=99.0)
    assert "keys" in judge(worst).sentence
    assert "Redis" in judge(worst._replace(latched=False)).sentence


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
    skew: float | None, status: Status
) -> None:
    """In either direction."""
    assert judge(GOOD._replace(skew=skew)).status is status


def test_a_token_that_is_due_has_the_time_that_the_protocol_gives_it() -> None:
    """A warning before that would come with each refresh."""
    assert judge(OVERDUE._replace(overdue=75.0)).status is Status.PASS


@pytest.mark.parametrize("kind", [*TABLE, "another version's"])
def test_each_kind_of_failure_has_its_meaning_and_advice(kind: str) -> None:
    """A word that nobody knows is told as such."""
    told = TABLE.get(kind, TABLE["unknown"])
    expected = f"({kind}: {told.means}) and is tried again: {told.advice}."
    assert expected in judge(FAILING._replace(last_error=kind)).sentence


def test_no_advice_ends_its_sentence_itself() -> None:
    """Nor begins one: it goes on within another."""
    assert set(TABLE) > OURS
    for kind in TABLE.values():
        assert not f"{kind.means}{kind.advice}".count(".")
        assert kind.means[0].islower() or kind.means.startswith(("Canvas", "TLS"))
