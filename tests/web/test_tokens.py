"""``GET /token`` answers exactly as the contract says."""

import json

import pytest

from broker.errors import NotSentError
from tests.web.rig import AUDIT_KEY, KEY, STRANGER_KEY, Rig, error_of


def test_the_answer_holds_the_six_names_and_no_more(rig: Rig) -> None:
    """In the order of the contract, with the types of the contract."""
    response = rig.get("/token?organization=acme")
    body = response.get_json()
    generation = body.pop("generation")
    assert response.status_code == 200
    assert list(json.loads(response.data)) == [
        "access_token",
        "token_type",
        "expires_in",
        "refresh_in",
        "generation",
        "organization",
    ]
    assert body == {
        "access_token": "access-1",
        "token_type": "Bearer",
        "expires_in": 599,
        "refresh_in": 399,
        "organization": "acme",
    }
    assert isinstance(generation, int)
    assert 0 < generation < 2**53
    assert {type(body["expires_in"]), type(body["refresh_in"])} == {int}


def test_the_answer_is_json_that_nobody_keeps(rig: Rig) -> None:
    """It carries a request id like every answer, and asks for nothing."""
    headers = rig.get().headers
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Request-ID"]
    assert not {"Retry-After", "WWW-Authenticate", "Set-Cookie"} & set(headers.keys())


@pytest.mark.parametrize(("elapsed", "expires_in"), [(0.05, 599), (0.95, 598), (100.0, 499)])
def test_seconds_to_expiry_are_rounded_down(rig: Rig, elapsed: float, expires_in: int) -> None:
    """A caller may rely on every second that it is told."""
    rig.get()
    rig.clock.sleep(elapsed)
    assert rig.get().get_json()["expires_in"] == expires_in


@pytest.mark.parametrize(("chance", "refresh_in"), [(0.0, 359), (0.5, 399), (1.0, 439)])
def test_when_to_ask_again_is_spread_by_a_tenth(rig: Rig, chance: float, refresh_in: int) -> None:
    """So that callers do not move in step."""
    rig.get()
    rig.runtime.chance = chance
    assert rig.get().get_json()["refresh_in"] == refresh_in


def test_a_second_request_is_served_the_same_token_without_canvas(rig: Rig) -> None:
    """The generation says that it is the same."""
    assert rig.get().get_json() == rig.get().get_json()
    assert len(rig.canvas.calls) == 1


def test_head_answers_as_get_without_a_body(rig: Rig) -> None:
    """As HTTP wants it; the key is asked for all the same."""
    response = rig.client.head("/token", headers={"Authorization": f"Bearer {KEY}"})
    assert (response.status_code, response.data) == (200, b"")
    assert response.headers["Content-Length"] == rig.get().headers["Content-Length"]
    assert response.headers["Cache-Control"] == "no-store"
    assert rig.client.head("/token").status_code == 401


def test_options_tells_the_methods_to_anybody(rig: Rig) -> None:
    """Like every answer of this path it is not kept, and gives no token."""
    response = rig.client.options("/token")
    assert (response.status_code, response.data) == (200, b"")
    assert {"GET", "HEAD", "OPTIONS"} <= set(response.headers["Allow"].split(", "))
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Request-ID"]


class TestWhichOrganization:
    def test_it_may_be_left_out_where_one_is_usable(self) -> None:
        """Others that this caller may not use do not count."""
        body = Rig("acme", "globex").get().get_json()
        assert body["organization"] == "acme"

    def test_it_is_required_where_several_are_usable(self) -> None:
        """The answer says so, and does not list them."""
        response = Rig("acme", "globex").get(key=AUDIT_KEY)
        description = error_of(response, 400, "invalid_request")
        assert description.startswith("organization is required")
        assert "globex" not in description

    def test_none_usable_is_forbidden(self, rig: Rig) -> None:
        """The caller's only organization is not configured."""
        error_of(rig.get(key=STRANGER_KEY), 403, "insufficient_scope")

    def test_no_organization_at_all_is_forbidden(self) -> None:
        """Also to one who may use all."""
        error_of(Rig().get(key=AUDIT_KEY), 403, "insufficient_scope")

    def test_unknown_and_foreign_are_told_byte_for_byte_alike(self) -> None:
        """Nobody learns which organizations there are."""
        rig = Rig("acme", "globex")
        answers = [
            rig.get(f"/token?organization={name}", X_Request_ID="same")
            for name in ("globex", "nowhere", "initech")
        ]
        error_of(answers[0], 403, "insufficient_scope")
        assert len({(a.data, str(a.headers)) for a in answers}) == 1
        assert rig.canvas.calls == []

    def test_forbidden_carries_the_challenge_of_rfc_6750(self, rig: Rig) -> None:
        """With the error's own code in it."""
        challenge = rig.get("/token?organization=globex").headers["WWW-Authenticate"]
        assert challenge == 'Bearer realm="canvas-token-broker", error="insufficient_scope"'

    def test_each_gets_the_token_of_its_own_organization(self) -> None:
        """Two organizations never share one."""
        rig = Rig("acme", "globex")
        first = rig.get("/token?organization=acme", AUDIT_KEY).get_json()
        second = rig.get("/token?organization=globex", AUDIT_KEY).get_json()
        assert (first["organization"], second["organization"]) == ("acme", "globex")
        assert first["access_token"] != second["access_token"]


class TestMinTtl:
    @pytest.mark.parametrize("min_ttl", ["0", "1", "540", "0540"])
    def test_up_to_a_minute_below_the_lifetime_is_met(self, rig: Rig, min_ttl: str) -> None:
        """A token lives 600 seconds here."""
        assert rig.get(f"/token?min_ttl={min_ttl}").status_code == 200

    @pytest.mark.parametrize("min_ttl", ["541", "599", "86400"])
    def test_above_that_it_is_a_bad_request_that_tells_the_most(
        self, rig: Rig, min_ttl: str
    ) -> None:
        """No token could ever have that much."""
        description = error_of(rig.get(f"/token?min_ttl={min_ttl}"), 400, "invalid_request")
        assert description.startswith("min_ttl must be 0 to 540")

    def test_a_longer_lived_token_is_got_where_the_present_one_is_too_short(self, rig: Rig) -> None:
        """The present one has 300 seconds left."""
        rig.get()
        rig.clock.sleep(300)
        body = rig.get("/token?min_ttl=500").get_json()
        assert (body["access_token"], body["expires_in"]) == ("access-2", 599)

    def test_a_shorter_token_is_never_given_instead(self, rig: Rig) -> None:
        """Canvas fails, so there is none with that much life."""
        rig.get()
        rig.clock.sleep(300)
        rig.canvas.errors = [NotSentError("connect")] * 2
        error_of(rig.get("/token?min_ttl=500"), 503, "temporarily_unavailable")
        assert rig.get("/token?min_ttl=200").get_json()["access_token"] == "access-1"


class TestRejected:
    def test_another_token_is_given_for_the_refused_one(self, rig: Rig) -> None:
        """With a higher generation."""
        first = rig.get().get_json()["generation"]
        rig.clock.sleep(20)
        body = rig.get(f"/token?rejected={first}").get_json()
        assert body["access_token"] == "access-2"
        assert body["generation"] > first

    def test_the_refused_one_never_comes_back(self, rig: Rig) -> None:
        """It is too young for the report to be believed: the caller is told when to ask."""
        first = rig.get().get_json()["generation"]
        response = rig.get(f"/token?rejected={first}")
        error_of(response, 503, "temporarily_unavailable")
        assert response.headers["Retry-After"] == "10"

    def test_a_report_of_an_older_generation_costs_nothing(self, rig: Rig) -> None:
        """The present one is another already."""
        first = rig.get().get_json()["generation"]
        rig.clock.sleep(450)
        rig.broker.tick()
        second = rig.get().get_json()["generation"]
        body = rig.get(f"/token?rejected={first}").get_json()
        assert body["generation"] == second > first
        assert len(rig.canvas.calls) == 2
