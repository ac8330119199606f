"""A run finds what is wrong: each kind of lie in the document is told by the check for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contract.campaign import Campaign

pytestmark = pytest.mark.sockets

QUICK = 0


def _drop_status(document: Any) -> None:
    del document["paths"]["/token"]["get"]["responses"]["400"]


def _change_type(document: Any) -> None:
    document["components"]["schemas"]["TokenAnswer"]["properties"]["expires_in"] = {
        "type": "string"
    }


def _drop_field(document: Any) -> None:
    answer = document["components"]["schemas"]["TokenAnswer"]
    del answer["properties"]["refresh_in"]
    answer["required"].remove("refresh_in")


def _change_constant(document: Any) -> None:
    properties = document["components"]["schemas"]["TokenAnswer"]["properties"]
    properties["token_type"]["enum"] = ["bearer"]


def _demand_field(document: Any) -> None:
    document["components"]["schemas"]["TokenAnswer"]["required"].append("mood")


def _demand_header(document: Any) -> None:
    responses = document["paths"]["/health/live"]["get"]["responses"]
    responses["200"]["headers"]["X-Mood"] = {"required": True, "schema": {"type": "string"}}


def _change_media_type(document: Any) -> None:
    content = document["paths"]["/health"]["get"]["responses"]["200"]["content"]
    content["application/json"] = content.pop("application/health+json")


def _raise_bound(document: Any) -> None:
    for parameter in document["paths"]["/token"]["get"]["parameters"]:
        if parameter["name"] == "min_ttl":
            parameter["schema"]["maximum"] += 1


def _lower_bound(document: Any) -> None:
    for parameter in document["paths"]["/token"]["get"]["parameters"]:
        if parameter["name"] == "min_ttl":
            parameter["schema"]["maximum"] -= 1


def _close_form(document: Any) -> None:
    document["components"]["schemas"]["TokenForm"]["additionalProperties"] = False


def _change_scope(document: Any) -> None:
    document["components"]["schemas"]["TokenForm"]["properties"]["scope"]["pattern"] = "^[A-Z]{3}$"


def _demand_key(document: Any) -> None:
    document["paths"]["/health/live"]["get"]["security"] = [{"callerKey": []}]


def _ask_much(document: Any) -> None:
    parameter = {"name": "X-Mood", "in": "header", "required": True, "schema": {"type": "string"}}
    document["paths"]["/health/live"]["get"]["parameters"] = [parameter]


def _hide_method(document: Any) -> None:
    del document["paths"]["/token"]["get"]


def _swap_method(document: Any) -> None:
    methods = document["paths"]["/health/live"]
    methods["post"] = methods.pop("get")


@dataclass(frozen=True)
class Lie:
    """A change of the document, what it is told of, and the check that is there for it."""

    check: str
    path: str
    tell: Callable[[Any], None]
    examples: int = QUICK


LIES = [
    Lie("status_code_conformance", "/token", _drop_status),
    Lie("response_schema_conformance", "/token", _change_type),
    Lie("response_schema_conformance", "/token", _drop_field),
    Lie("response_schema_conformance", "/token", _change_constant),
    Lie("response_schema_conformance", "/token", _demand_field),
    Lie("response_headers_conformance", "/health/live", _demand_header),
    Lie("content_type_conformance", "/health", _change_media_type),
    Lie("positive_data_acceptance", "/token", _raise_bound),
    Lie("negative_data_rejection", "/token", _lower_bound),
    Lie("negative_data_rejection", "/token", _close_form),
    Lie("positive_data_acceptance", "/token", _change_scope, examples=100),
    Lie("ignored_auth", "/health/live", _demand_key),
    Lie("missing_required_header", "/health/live", _ask_much),
    Lie("unsupported_method", "/health/live", _swap_method),
    Lie("allow_header_conformance", "/token", _hide_method),
]


@pytest.mark.parametrize("lie", LIES, ids=[f"{lie.check}-{lie.tell.__name__[1:]}" for lie in LIES])
def test_a_lie_is_found(campaign: Campaign, document: Any, lie: Lie) -> None:
    """By the check that is there for it; of the truth ``test_openapi`` finds nothing."""
    lie.tell(document)
    assert lie.check in campaign.run(document, lie.path, examples=lie.examples).failed()


def test_too_slow_an_answer_is_found(
    campaign: Campaign, document: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer comes within a microsecond."""
    monkeypatch.setattr("tests.contract.campaign.LONGEST_REQUEST", 1e-6)
    monkeypatch.setattr("tests.contract.campaign.PATIENCE", 5.0)
    assert "max_response_time" in campaign.run(document, "/health/live", examples=QUICK).failed()


def test_a_server_error_is_found(
    campaign: Campaign, document: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the 503 to one who reports a good token, which only this phase of this path may get."""
    monkeypatch.setattr("tests.contract.campaign.OPERATIONS", [])
    assert "not_a_server_error" in campaign.run(document, "/token", examples=30).failed()


def test_a_broker_that_is_gone_is_found(document: Any, campaign: Campaign) -> None:
    """A run that reaches nobody is no success."""
    nobody = Campaign("http://127.0.0.1:9", campaign.key)
    assert nobody.run(document, "/health/live", examples=QUICK).failures
