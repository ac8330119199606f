"""The three health paths over HTTP, while Canvas, Redis and the files come and go."""

from collections.abc import Sequence
from typing import Any

import pytest
from flask import Flask

from broker.errors import KeysRejectedError, NotSentError
from broker.limits import Limits
from broker.pod.merge import merge
from broker.pod.snapshot import Pod
from broker.policy.history import Event
from broker.ports import Slot
from broker.web.health import health_views
from tests.fakes import credentials
from tests.pod.samples import NOW, worker
from tests.web.rig import Rig, error_of


def _status(rig: Rig, path: str) -> tuple[int, Any]:
    response = rig.get(path, key=None)
    assert response.headers["Content-Type"] == "application/health+json"
    assert response.headers["Cache-Control"] == "no-store"
    return response.status_code, response.get_json()["status"]


def _all(rig: Rig) -> list[tuple[int, Any]]:
    return [_status(rig, f"/health{path}") for path in ("/live", "/ready", "")]


class TestOverHttp:
    def test_all_is_well(self, rig: Rig) -> None:
        """Before the first token and with it, once Redis has answered."""
        assert _status(rig, "/health/ready") == (503, "fail")
        rig.broker.tick()
        assert _all(rig) == [(200, "pass")] * 3
        rig.get()
        assert _all(rig) == [(200, "pass")] * 3

    def test_what_callers_meet(self, rig: Rig) -> None:
        """Somebody else holds the lease again and again: a warning, then a failure, then a token.

        The pod stays ready all the while, as far as it is by itself.
        """
        told: dict[str, float] = {}
        store = rig.broker._organizations["acme"].binding.store
        store.acquire("elsewhere", 0, Slot.NONE)
        rig.broker.tick()
        began = rig.clock.monotonic()
        for number in range(30):
            store.acquire(f"elsewhere-{number}", 0, Slot.NONE)
            asked = rig.clock.monotonic()
            assert rig.get().status_code == 503
            assert rig.clock.monotonic() - asked <= Limits().request
            code, status = _status(rig, "/health")
            assert code == (503 if status == "fail" else 200)
            told.setdefault(status, rig.clock.monotonic() - began)
            assert _status(rig, "/health/ready") == (200, "pass")
            rig.clock.sleep(0.5)
        assert list(told) == ["warn", "fail"]
        assert told["warn"] <= 5
        assert 75 < told["fail"] <= 80
        rig.clock.sleep(Limits().lease)
        assert rig.get().status_code == 200
        assert _status(rig, "/health") == (200, "pass")

    def test_live_looks_at_nothing(self) -> None:
        """A process without organizations lives, and is not ready."""
        assert _all(Rig()) == [(200, "pass"), (503, "fail"), (503, "fail")]

    def test_with_a_token_an_outage_of_redis_warns(self, rig: Rig) -> None:
        """The pod stays, and says what is wrong."""
        rig.broker.tick()
        rig.redis_answers = False
        rig.clock.sleep(2)
        assert rig.get().status_code == 200
        assert _all(rig) == [(200, "pass"), (200, "pass"), (200, "warn")]

    def test_without_a_token_an_outage_of_redis_fails(self, rig: Rig) -> None:
        """It lives, but serves nobody."""
        rig.redis_answers = False
        rig.get()
        assert _all(rig) == [(200, "pass"), (503, "fail"), (503, "fail")]

    def test_with_a_token_an_outage_of_canvas_warns(self, rig: Rig) -> None:
        """And fails once the token is over; a new token makes it pass."""
        rig.broker.tick()
        rig.clock.sleep(450)
        rig.canvas.errors = [NotSentError("connect")] * 50
        rig.broker.tick()
        assert _all(rig) == [(200, "pass"), (200, "pass"), (200, "warn")]
        rig.clock.sleep(150)
        rig.get()
        assert _all(rig) == [(200, "pass"), (503, "fail"), (503, "fail")]
        rig.canvas.errors = []
        rig.clock.sleep(60)
        rig.get()
        assert _all(rig) == [(200, "pass")] * 3

    def test_refused_keys_fail_until_they_are_replaced(self, rig: Rig) -> None:
        """The error's class and the next attempt are told."""
        rig.canvas.errors = [KeysRejectedError("unauthorized")]
        rig.broker.tick()
        assert _status(rig, "/health/ready") == (503, "fail")
        entry = rig.get("/health").get_json()["checks"]["organization:token"][0]
        assert (entry["last_error"], entry["next_attempt_in"]) == ("unauthorized", 29)
        rig.broker.configure({"acme": credentials("b")})
        assert _status(rig, "/health/ready") == (200, "pass")

    def test_one_organization_takes_no_other_with_it(self) -> None:
        """A warning tells of it."""
        rig = Rig("acme", "globex")
        rig.canvas.errors = [KeysRejectedError("unauthorized")]
        rig.broker.tick()
        assert _all(rig) == [(200, "pass"), (200, "pass"), (200, "warn")]

    def test_a_broken_file_warns(self, rig: Rig) -> None:
        """The last good version is in force."""
        rig.broker.tick()
        rig.file_problems = ["BROKER_CALLERS_FILE: is not TOML (at line 1, column 1)"]
        assert _all(rig) == [(200, "pass"), (200, "pass"), (200, "warn")]

    def test_probes_wait_for_no_sibling(self, rig: Rig) -> None:
        """One that hangs takes no other out of service."""
        calls: list[str] = []

        class Watched:
            def gather(self) -> Pod:
                calls.append("gather")
                return merge([worker()], [9], 2)

            def histories(self, names: Sequence[str]) -> dict[str, tuple[Event, ...]]:
                calls.append(f"histories of {', '.join(names)}")
                return {}

            def is_ready(self) -> bool:
                calls.append("ready")
                return True

        app = Flask("probes")
        app.register_blueprint(health_views(Watched(), lambda: NOW))
        client = app.test_client()
        for path, status in (("", "warn"), ("/ready", "pass"), ("/live", "pass")):
            assert client.get(f"/health{path}").get_json()["status"] == status
        assert calls == ["gather", "histories of acme", "ready"]

    def test_it_never_shows_a_secret(self, rig: Rig) -> None:
        """Neither keys nor tokens, in any state."""
        keys = credentials()
        secrets = ["access-", "refresh-1", keys.consumer.reveal(), keys.secret_key.reveal()]
        for elapsed in (0, 1, 450, 130, 20):
            rig.clock.sleep(elapsed)
            rig.get()
            text = rig.get("/health").text
            assert not [secret for secret in secrets if secret in text]

    def test_head_has_no_body(self, rig: Rig) -> None:
        """Some probes ask so."""
        rig.broker.tick()
        response = rig.client.head("/health/ready")
        assert (response.status_code, response.data) == (200, b"")


class TestPages:
    @pytest.fixture
    def many(self) -> Rig:
        """Give a pod of 250 organizations, one of which has refused keys and no token."""
        keys = {f"org-{number:03}": credentials() for number in range(250)}
        rig = Rig(*keys)
        rig.broker.tick()
        rig.canvas.errors = [KeysRejectedError("unauthorized")]
        rig.broker.configure(keys | {"org-123": credentials("b")})
        rig.broker.tick()
        rig.clock.sleep(1000)
        return rig

    @staticmethod
    def listed(rig: Rig, query: str = "") -> list[str]:
        """Return the organizations that are listed."""
        body = rig.get(f"/health{query}").get_json()
        return [entry["componentId"] for entry in body["checks"]["organization:token"]]

    def test_the_first_page_has_those_with_trouble_first(self, many: Rig) -> None:
        """A hundred of them, then the others by name."""
        body = many.get("/health").get_json()
        assert body["organizations"] == {
            "total": 250,
            "in_use": 0,
            "status": {"pass": 249, "warn": 0, "fail": 1},
            "state": {"fresh": 0, "stale": 0, "critical": 0, "empty": 250},
            "found": 250,
            "page": 1,
            "pages": 3,
            "limit": 100,
        }
        names = self.listed(many)
        assert len(names) == 100
        assert names[:3] == ["org-123", "org-000", "org-001"]

    def test_the_pages_have_each_once(self, many: Rig) -> None:
        """The last is shorter, and beyond it there is nothing."""
        pages = [self.listed(many, f"?page={page}") for page in (1, 2, 3, 4)]
        assert [len(page) for page in pages] == [100, 100, 50, 0]
        assert sorted(name for page in pages for name in page) == [
            f"org-{number:03}" for number in range(250)
        ]
        assert self.listed(many, "?limit=7&page=2") == self.listed(many)[7:14]

    def test_one_is_listed(self, many: Rig) -> None:
        """With what happened last; the status stays that of the pod."""
        body = many.get("/health?organization=org-123").get_json()
        (entry,) = body["checks"]["organization:token"]
        assert (entry["componentId"], entry["status"]) == ("org-123", "fail")
        assert entry["recent"][0]["error"] == "unauthorized"
        assert body["status"] == "warn"
        assert (body["organizations"]["total"], body["organizations"]["found"]) == (250, 1)

    def test_some_are_found_by_a_part_of_their_names(self, many: Rig) -> None:
        """Page by page as well."""
        assert self.listed(many, "?search=-12&limit=4") == [
            "org-123",
            "org-120",
            "org-121",
            "org-122",
        ]
        assert self.listed(many, "?search=nobody") == []

    def test_one_that_is_not_there_is_not_found(self, many: Rig) -> None:
        """A check of it must not go well."""
        error_of(many.get("/health?organization=nobody"), 404, "not_found")

    @pytest.mark.parametrize(
        ("query", "allowed"),
        [
            ("page=0", "page must be a whole number from 1 to 1000000"),
            ("page=-1", "page must be a whole number from 1"),
            ("page=", "page must be a whole number from 1"),
            ("limit=1001", "limit must be a whole number from 1 to 1000"),
            ("limit=all", "limit must be a whole number from 1 to 1000"),
            ("organization=Acme", "organization must be"),
            ("pages=2", "pages is not known; known are limit, organization, page, search"),
            ("page=1&page=2", "page is given more than once"),
        ],
    )
    def test_anything_else_is_refused(self, rig: Rig, query: str, allowed: str) -> None:
        """Telling what is allowed."""
        assert allowed in error_of(rig.get(f"/health?{query}"), 400, "invalid_request")
