"""What the description says of ``/token`` beyond its bodies: the form, the link, the limits."""

import json
from urllib.parse import urlencode

from gunicorn.asgi.parser import LimitRequestLine
from jsonschema import Draft202012Validator

from broker.web import examples
from broker.web.malformed import MalformedRequests
from broker.web.openapi import document
from broker.web.token_endpoint import CLIENT_CREDENTIALS, JWT_BEARER
from tests.web.rig import KEY, Rig

DOCUMENT = document()


def test_a_query_that_is_too_long_is_answered_as_described(rig: Rig) -> None:
    """By the server: status, type, headers and body."""
    answer = MalformedRequests(rig.desk).refuse(LimitRequestLine(), "")
    head, _, body = answer.decode().partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    told = DOCUMENT["paths"]["/token"]["get"]["responses"][status.split()[1]]
    content = told["content"][headers["Content-Type"]]
    assert set(told["headers"]) <= set(headers)
    assert [one["value"] for one in content["examples"].values()] == [json.loads(body)]


def test_the_form_is_described_as_it_is_read(rig: Rig) -> None:
    """Open for what nobody knows, once each; closed for grants and for what names nothing."""
    form = DOCUMENT["components"]["schemas"]["TokenForm"]
    validator = Draft202012Validator(form)
    plain = {"grant_type": "client_credentials"}
    for more, error in (
        ({"audience": "x"}, None),
        ({"scope": ""}, None),
        ({"scope": "acme"}, None),
        ({"scope": "acme initech"}, "invalid_scope"),
        ({"scope": "Acme"}, "invalid_scope"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"audience": ["x", "y"]}, "invalid_request"),
    ):
        sent = urlencode({**plain, **more}, doseq=True)
        answer = rig.post(sent, basic=("billing", KEY)).get_json()
        assert answer.get("error") == error, more
        assert validator.is_valid({**plain, **more}) == (error is None), more
    assert form["properties"]["grant_type"]["enum"] == [CLIENT_CREDENTIALS, JWT_BEARER]


def test_the_link_leads_from_a_token_to_another(rig: Rig) -> None:
    """Its parameters are the operation's, and its values are in the answer."""
    get = DOCUMENT["paths"]["/token"]["get"]
    link = get["responses"]["200"]["links"]["rejected"]
    assert link["operationId"] == get["operationId"]
    assert set(link["parameters"]) <= {one["name"] for one in get["parameters"]}
    answer = rig.get().get_json()
    asked = {
        name: answer[where.removeprefix("$response.body#/")]
        for name, where in link["parameters"].items()
    }
    assert asked == {"organization": "acme", "rejected": answer["generation"]}
    rig.clock.sleep(20)
    assert rig.get(f"/token?{urlencode(asked)}").get_json()["generation"] > answer["generation"]


def test_the_type_of_a_token_is_told() -> None:
    """It is a constant, which has no type of its own."""
    for name in ("TokenAnswer", "GrantAnswer"):
        told = DOCUMENT["components"]["schemas"][name]["properties"]["token_type"]
        assert told["enum"] == [examples.TOKEN["token_type"]]
