"""The three health paths over HTTP, while Canvas, Redis and the files come and go."""

from typing import Any

from flask import Flask

from broker.errors import KeysRejectedError, NotSentError
from broker.limits import Limits
from broker.pod.merge import merge
from broker.pod.snapshot import Pod
from broker.ports import Slot
from broker.web.health import health_views
from tests.fakes import credentials
from tests.pod.samples import NOW, worker
from tests.web.rig import Rig


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

        def gather() -> Pod:
            calls.append("gather")
            return merge([worker()], [9], 2)

        def is_ready() -> bool:
            calls.append("ready")
            return True

        app = Flask("probes")
        app.register_blueprint(health_views(gather, is_ready, lambda: NOW))
        client = app.test_client()
        for path, status in (("", "warn"), ("/ready", "pass"), ("/live", "pass")):
            assert client.get(f"/health{path}").get_json()["status"] == status
        assert calls == ["gather", "ready"]

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
