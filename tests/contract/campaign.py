"""One run of schemathesis: what is asked, what may be answered, and what came of it."""

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.hooks import HookContext
from schemathesis.openapi.checks import RejectedPositiveData

CALLER = "app"
SEED = 20261123
LONGEST_REQUEST = 4.5
"""Seconds; "Every request ends within 4.5 s under any fault"."""
PATIENCE = 10.0
"""Seconds after which a request counts as lost."""
REJECTIONS = ["400", "401", "403", "404", "405"]
OPERATIONS = [
    {
        "include-operation-id": "getToken",
        "checks": {
            # "Requests that are […] too long, are refused before the paths below see them": what
            # is wrong with such a query nobody reads.
            "negative_data_rejection": {"expected-statuses": [*REJECTIONS, "414"]},
        },
        "phases": {
            "stateful": {
                # The link asks for another token than a good one: "never the same one back: 503
                # with `Retry-After` while no other can be had".
                "checks": {"not_a_server_error": {"expected-statuses": ["2xx", "4xx", "503"]}}
            }
        },
    },
]
EXPLAINED = {
    # RFC 6749 section 5.2: 400 for a scope beyond what is granted. GET says 403, which the check
    # takes.
    "invalid_scope": "This caller may not use this organization, or there is no such organization.",
    # RFC 6749 section 5.2, too. The document names both grants; this deployment takes one.
    "unsupported_grant_type": "grant_type must be client_credentials",
    # RFC 6749 section 2.3: "MUST NOT use more than one authentication method in each request". A
    # schema of the form cannot see the header.
    "invalid_request": "client authentication is given more than once",
}
"""The only 400 that a form that fits the schema may be answered with: code and sentence."""


@dataclass
class Outcome:
    """What a run asked, was answered and found."""

    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests by operation and phase."""
    answered: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    """Answers by operation, method and status."""
    checked: Counter[str] = field(default_factory=Counter)
    """How often each check looked at an answer."""
    failures: dict[str, str] = field(default_factory=dict)
    """What each failed check had to say, once for each operation."""
    requests: list[tuple[str, str, bytes | None]] = field(default_factory=list)
    """Method, path with query, and body, in order."""

    def statuses(self, operation: str) -> set[int]:
        """Return all statuses that an operation answered with its own method."""
        method = operation.partition(" ")[0]
        return {key[2] for key in self.answered if key[:2] == (operation, method)}

    def failed(self) -> set[str]:
        """Return the names of the checks that failed."""
        return {name.partition(":")[0] for name in self.failures}

    def take(self, event: events.EngineEvent) -> None:
        """Take down what an event of the engine tells."""
        if isinstance(event, events.NonFatalError | events.FatalError):
            self.failures[f"engine:{type(event).__name__}"] = repr(error_in(event))
        elif isinstance(event, events.ScenarioFinished):
            self._take_scenario(event.phase.value, event.recorder)

    def _take_scenario(self, phase: str, recorder: ScenarioRecorder) -> None:
        for name, case in recorder.cases.items():
            operation = case.value.operation.label
            self.asked[operation, phase] += 1
            exchange = recorder.interactions[name]
            sent = exchange.request
            self.requests.append((sent.method, sent.uri, sent.body))
            status = exchange.response.status_code if exchange.response else 0
            self.answered[operation, sent.method, status] += 1
            self._take_checks(operation, recorder, name)

    def _take_checks(self, operation: str, recorder: ScenarioRecorder, name: str) -> None:
        for check in recorder.checks.get(name, []):
            self.checked[check.name] += 1
            if check.failure_info is not None:
                told = check.failure_info.failure
                self.failures[f"{check.name}:{operation}"] = f"{told.title}\n{told.message}"


def error_in(event: events.NonFatalError | events.FatalError) -> Exception:
    """Return the exception that an error of the engine itself carries."""
    return event.exception if isinstance(event, events.FatalError) else event.value


class Campaign:
    """Runs schemathesis against ``url`` with the key of the one caller."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self.key = key

    def run(
        self,
        document: dict[str, Any],
        path: str | None = None,
        *,
        authenticated: bool = True,
        examples: int = 100,
        explain: bool = True,
    ) -> Outcome:
        """Ask all that the document gives reason to, on all paths or on that one.

        ``examples`` is the number of random requests for each operation; none leaves the phases
        that make random requests out. Without ``explain`` nothing of :data:`EXPLAINED` is let pass.
        """
        config = self._config(examples, authenticated=authenticated)
        schema = schemathesis.openapi.from_dict(_part(document, path), config=config)
        outcome = Outcome()
        if explain:
            schema.hook("filter_failure")(filter_failure)
        for event in from_schema(schema).execute():
            outcome.take(event)
        return outcome

    def post(self, form: dict[str, str]) -> tuple[int, Any]:
        """Send a form with the caller's name and key in the header; return status and body."""
        answer = requests.post(
            f"{self._url}/token", data=form, auth=(CALLER, self.key), timeout=PATIENCE
        )
        return answer.status_code, answer.json()

    def _config(self, examples: int, *, authenticated: bool) -> schemathesis.Config:
        credentials = {
            "callerKey": {"bearer": self.key},
            "client": {"username": CALLER, "password": self.key},
        }
        auth = {"auth": {"openapi": credentials}} if authenticated else {}
        # What depends on answers or on earlier runs would make each run another one.
        return schemathesis.Config.from_dict(
            {
                **auth,
                "seed": SEED,
                "suppress-health-check": ["too_slow"],  # of making data on a busy machine
                "cache": {"enabled": False},
                "base-url": self._url,
                "continue-on-failure": True,
                "request-timeout": PATIENCE,
                "checks": {"max_response_time": LONGEST_REQUEST},
                "generation": {
                    "deterministic": True,
                    "database": "none",
                    "max-examples": max(1, examples),
                },
                "phases": dict(_phases(random=bool(examples))),
                "operations": OPERATIONS,
            }
        )


def _part(document: dict[str, Any], path: str | None) -> dict[str, Any]:
    """Return a copy, of that path alone if one is named."""
    part = copy.deepcopy(document)
    if path is not None:
        part["paths"] = {path: part["paths"][path]}
    return part


def _phases(*, random: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    own = {"extra-data-sources": {"responses": False}}
    yield "examples", {"fill-missing": True, **own}
    yield "coverage", {"generate-duplicate-query-parameters": True, **own}
    yield "fuzzing", {"enabled": random, "error-feedback": {"enabled": False}, **own}
    yield "stateful", {"enabled": random, "generation": {"max-examples": 10}, "max-steps": 3}


def filter_failure(
    context: HookContext,
    failure: Failure,
    case: schemathesis.Case[Any],
    response: schemathesis.Response,
) -> bool:
    """Keep a failure unless it is explained."""
    form = case.operation.label == "POST /token" and response.status_code == 400
    if form and isinstance(failure, RejectedPositiveData):
        body = response.json()
        if EXPLAINED.get(body["error"]) == body["error_description"]:
            return False
    return True
