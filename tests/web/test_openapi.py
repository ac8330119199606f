"""The description of the service, held to what the service really answers."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from werkzeug.test import TestResponse

from broker.errors import KeysRejectedError, NotSentError
from broker.web.errors import ROWS
from broker.web.openapi import document
from broker.web.schemas import LARGEST_GENERATION, LONGEST_MIN_TTL
from tests.web.rig import AUDIT_KEY, KEY, Rig, error_of

DOCUMENT = document()
BASE = "urn:broker"
REGISTRY: Registry[Any] = Registry().with_resource(
    BASE, Resource.from_contents(DOCUMENT, DRAFT202012)
)


def resolved(schema: Any) -> Draft202012Validator:
    """Return a validator for a schema of the document."""
    if isinstance(schema, dict) and "$ref" in schema:
        schema = {"$ref": BASE + schema["$ref"]}
    return Draft202012Validator(
        schema, registry=REGISTRY, format_checker=Draft202012Validator.FORMAT_CHECKER
    )


def responses() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Yield path, method, status and description of each response."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                yield path, method, status, response


def check(response: TestResponse, method: str = "get", path: str = "/token") -> None:
    """Hold an answer to what the document says of it: status, type, headers, body."""
    told = DOCUMENT["paths"][path][method]["responses"][str(response.status_code)]
    assert set(told["headers"]) <= {name for name, _ in response.headers}
    for name in ("WWW-Authenticate", "Retry-After"):
        assert (name in response.headers) == (name in told["headers"])
    content = told["content"][response.headers["Content-Type"]]
    body = response.get_json()
    validator = resolved(content["schema"])
    validator.validate(body)
    if "error" in body:
        assert body["error"] in content["examples"]
    elif "$ref" in content["schema"]:
        name = content["schema"]["$ref"].rpartition("/")[2]
        assert set(body) == set(DOCUMENT["components"]["schemas"][name]["properties"])


def test_it_is_a_valid_document() -> None:
    """OpenAPI 3.1, by an independent judge."""
    validate(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1.")


def test_it_is_served(rig: Rig) -> None:
    """As it is made, each time."""
    for _ in range(2):
        response = rig.client.get("/openapi.json")
        assert response.get_json() == DOCUMENT
        check(response, "get", "/openapi.json")


def test_each_path_and_method_is_there(rig: Rig) -> None:
    """And none that the service does not have."""
    app: Flask = rig.app
    served = {
        (rule.rule, method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served == {
        (path, method) for path, methods in DOCUMENT["paths"].items() for method in methods
    }


def test_each_example_fits_its_schema() -> None:
    """Those of answers, errors and forms."""
    bodies = [content for *_, response in responses() for content in response["content"].values()]
    post = DOCUMENT["paths"]["/token"]["post"]["requestBody"]["content"]
    seen = 0
    for content in [*bodies, *post.values()]:
        named = [one["value"] for one in content.get("examples", {}).values()]
        for example in [*named, *([content["example"]] if "example" in content else [])]:
            resolved(content["schema"]).validate(example)
            seen += 1
    assert seen > len({row.code for row in ROWS})


def test_each_error_has_an_example() -> None:
    """With its status; 405, 431 and 501 belong to no operation."""
    told = {
        (int(status), code)
        for *_, status, response in responses()
        for content in response["content"].values()
        for code in content.get("examples", {})
    }
    assert told == {(row.status, row.code) for row in ROWS if row.status not in {405, 431, 501}}


def test_each_operation_has_what_a_reader_needs() -> None:
    """A name of its own, a summary, security, and headers on each answer."""
    operations = [one for methods in DOCUMENT["paths"].values() for one in methods.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names)
    assert all(one["summary"] and "security" in one for one in operations)
    assert all({"X-Request-ID", "Cache-Control"} <= set(r["headers"]) for *_, r in responses())
    fields = [
        (name, field, told)
        for name, schema in DOCUMENT["components"]["schemas"].items()
        for field, told in schema["properties"].items()
    ]
    assert [one[:2] for one in fields if not one[2].get("description")] == [
        ("Checks", "organization:token"),
        ("Checks", "redis:connection"),
        ("Checks", "files"),
        ("HealthAnswer", "checks"),
    ]


def test_the_bounds_of_the_query_are_those_of_the_view(rig: Rig) -> None:
    """At the bound it is taken, beyond it refused."""
    query = {p["name"]: p["schema"] for p in DOCUMENT["paths"]["/token"]["get"]["parameters"]}
    assert query["min_ttl"] == {"type": "integer", "minimum": 0, "maximum": LONGEST_MIN_TTL}
    assert query["rejected"]["maximum"] == LARGEST_GENERATION
    assert rig.get(f"/token?rejected={LARGEST_GENERATION}").status_code == 200
    error_of(rig.get(f"/token?rejected={LARGEST_GENERATION + 1}"), 400, "invalid_request")
    for name in ("acme", "a", "a" * 63, "a" * 64, "A", "-a", ""):
        fits = Draft202012Validator(query["organization"]).is_valid(name)
        refused = rig.client.get(
            "/token",
            query_string={"organization": name},
            headers={"Authorization": f"Bearer {KEY}"},
        )
        assert (refused.status_code == 400) == (not fits), name


class TestAnswers:
    def test_of_get(self, rig: Rig) -> None:
        """A token, and each refusal."""
        check(rig.get())
        check(rig.get("/token?min_ttl=x"))
        check(rig.get(key=None))
        check(rig.get("/token?organization=nowhere"))

    def test_of_post(self, rig: Rig) -> None:
        """The same for the token endpoint."""
        check(rig.post(basic=("billing", KEY)), "post")
        check(rig.post(), "post")
        check(rig.post({}), "post")
        check(rig.post({"grant_type": "x"}), "post")
        check(rig.post("grant_type=x&x=" + "x" * 70_000), "post")
        form = {"grant_type": "client_credentials", "scope": "nowhere"}
        check(rig.post(form, ("billing", KEY)), "post")

    @pytest.mark.parametrize("error", [NotSentError("connect"), KeysRejectedError("keys")])
    def test_without_a_token(self, rig: Rig, error: Exception) -> None:
        """Each way of being unavailable."""
        rig.canvas.errors = [error] * 99  # type: ignore[list-item] # each is an UpstreamError
        check(rig.get())
        check(rig.post(basic=("billing", KEY)), "post")

    def test_without_redis(self, rig: Rig) -> None:
        """The third way."""
        rig.redis_answers = False
        check(rig.get())

    def test_of_health(self, rig: Rig) -> None:
        """Well, ill, and with nothing to serve."""
        for path in ("/health", "/health/live", "/health/ready"):
            check(rig.get(path, key=None), "get", path)
        rig.get()
        check(rig.get("/health", key=None), "get", "/health")
        rig.redis_answers = False
        rig.clock.sleep(1000)
        rig.get("/token", AUDIT_KEY)
        for path in ("/health", "/health/ready"):
            response = rig.get(path, key=None)
            assert response.status_code == 503
            check(response, "get", path)

    def test_of_metadata(self, rig: Rig) -> None:
        """Also where it names a second grant."""
        path = "/.well-known/oauth-authorization-server"
        check(rig.client.get(path), "get", path)
