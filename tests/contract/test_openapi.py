"""All that ``/openapi.json`` says is asked of a running broker, and every check of it holds."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from schemathesis.checks import CHECKS

from broker.web.token_endpoint import JWT_BEARER
from tests.contract.campaign import CALLER, EXPLAINED, Campaign, Outcome

pytestmark = pytest.mark.sockets

GET, POST = "GET /token", "POST /token"
HEALTH = "GET /health"
FEWEST = {GET: 150, POST: 100}
FEWEST_ELSEWHERE = 10
"""Requests to each operation; most take no input, so that few differ."""


NEEDS_EXPLANATION = {
    "invalid_scope": {"grant_type": "client_credentials", "scope": "nowhere"},
    "unsupported_grant_type": {"grant_type": JWT_BEARER, "assertion": "a.b.c"},
    "invalid_request": {
        "grant_type": "client_credentials",
        "client_id": CALLER,
        "client_secret": "another-key-of-the-caller",
    },
}
"""A form for each; random ones meet them by chance, which other tests of a process change."""


@pytest.fixture(scope="module")
def described(served: Any) -> set[str]:
    """Return all operations."""
    paths = served["paths"].items()
    return {f"{method.upper()} {path}" for path, methods in paths for method in methods}


@pytest.fixture(scope="module")
def outcome(campaign: Campaign, served: Any) -> Outcome:
    """Run every phase and every check on every operation."""
    return campaign.run(served)


def test_no_check_fails(outcome: Outcome) -> None:
    """Neither with valid data nor with invalid."""
    assert outcome.failures == {}


def test_each_check_has_looked(outcome: Outcome) -> None:
    """Every check that schemathesis has, and the limit on the time of an answer."""
    assert set(outcome.checked) == {*CHECKS.get_all_names(), "max_response_time"}
    assert min(outcome.checked.values()) >= FEWEST[GET]


def test_each_operation_was_asked_in_each_phase(outcome: Outcome, described: set[str]) -> None:
    """Often enough to mean something; only the token has a link to follow."""
    assert described > {GET, POST}
    for operation in described:
        phases = {phase: n for (asked, phase), n in outcome.asked.items() if asked == operation}
        stateful = {"stateful"} if operation == GET else set()
        assert set(phases) == {"examples", "coverage", "fuzzing", *stateful}, operation
        assert sum(phases.values()) >= FEWEST.get(operation, FEWEST_ELSEWHERE), operation


def test_the_token_was_given_and_refused(outcome: Outcome, described: set[str]) -> None:
    """In each way that a healthy broker has; 503 is for a token reported too early."""
    assert outcome.statuses(GET) >= {200, 400, 401, 403, 503}
    assert outcome.statuses(POST) >= {200, 400}
    for operation in described - {GET, POST}:
        expected = {200, 400, 404} if operation == HEALTH else {200}
        assert outcome.statuses(operation) == expected, operation


def test_other_methods_were_tried(outcome: Outcome, described: set[str]) -> None:
    """And refused everywhere; ``OPTIONS`` is answered."""
    for operation in described - {GET}:  # at /token, as POST
        own = operation.partition(" ")[0]
        others = {
            method: status
            for label, method, status in outcome.answered
            if label == operation and method != own
        }
        assert others.pop("OPTIONS") == 200
        assert set(others) >= {"DELETE", "PATCH", "PUT", "TRACE"}
        assert set(others.values()) == {405}, operation


def test_each_explanation_is_needed(campaign: Campaign, served: Any) -> None:
    """A form that fits the schema is refused with it; one that none is must go."""
    fits = Draft202012Validator(served["components"]["schemas"]["TokenForm"])
    told = {}
    for error, form in NEEDS_EXPLANATION.items():
        fits.validate(form)
        status, answer = campaign.post(form)
        assert (status, answer["error"]) == (400, error)
        told[error] = answer["error_description"]
    assert told == EXPLAINED


def test_a_key_in_the_form_is_taken(campaign: Campaign, document: Any) -> None:
    """Where the form can prove who asks, each that fits its schema is answered with a token."""
    post = document["paths"]["/token"]["post"]
    post["security"] = []
    for content in post["requestBody"]["content"].values():
        del content["examples"]
    form = document["components"]["schemas"]["TokenForm"]
    known = {
        "grant_type": ["client_credentials"],
        "scope": ["acme", ""],
        "client_id": [CALLER],
        "client_secret": [campaign.key],
    }
    for name, values in known.items():
        form["properties"][name] = {"type": "string", "enum": values}
    form["required"] += ["client_id", "client_secret"]
    outcome = campaign.run(document, "/token", authenticated=False, explain=False)
    assert outcome.failures == {}
    assert outcome.statuses(POST) == {200, 400, 401}
    assert outcome.answered[POST, "POST", 200] > FEWEST[POST] / 3


def test_basic_is_not_ignored(campaign: Campaign, document: Any) -> None:
    """Asked as if Basic were the only way, no form without it, or with a wrong one, is taken."""
    document["paths"]["/token"]["post"]["security"] = [{"client": []}]
    outcome = campaign.run(document, "/token")
    assert outcome.failures == {}
    assert outcome.statuses(POST) == {200, 400, 401}


def test_a_run_is_repeatable(campaign: Campaign, document: Any) -> None:
    """The same requests in the same order, so that CI fails for a change and not for luck."""
    del document["paths"]["/token"]["get"]["responses"]["200"]["links"]
    one, other = (campaign.run(document, "/token", examples=40).requests for _ in range(2))
    assert one == other
    assert len(one) > 40
