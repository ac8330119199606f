"""The management path: readable answers, plain sentences for mistakes."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from broker.emulator.app import create_emulator
from broker.emulator.canvas import Canvas
from tests.emulator.support import ACME, GLOBEX, headers, make_canvas


@pytest.fixture
def canvas() -> Canvas:
    """Return a strict Canvas of two organizations."""
    return make_canvas()


@pytest.fixture
def client(canvas: Canvas) -> FlaskClient:
    """Return an HTTP client of the emulator under test."""
    return create_emulator(canvas).test_client()


def _whoami(client: FlaskClient, authorization: str) -> int:
    answer = client.get("/_emulator/whoami", headers={"Authorization": authorization})
    return answer.status_code


def test_the_knobs_are_shown(client: FlaskClient) -> None:
    """As they stand, and no fault waits."""
    shown = client.get("/_emulator/faults").get_json()
    assert shown["knobs"]["access_lifetime_authenticate"] == 899
    assert shown["knobs"]["sessions"] == "many"
    assert shown["faults"] == []


def test_turning_a_knob_answers_how_they_stand_now(client: FlaskClient) -> None:
    """What was posted happens; curl's form type is no obstacle."""
    answer = client.post(
        "/_emulator/faults",
        data='{"grace": 4, "status": 500, "times": 2}',
        content_type="application/x-www-form-urlencoded",
    )
    assert answer.status_code == 200
    assert answer.get_json()["knobs"]["grace"] == 4
    assert answer.get_json()["faults"] == [{"calls": "both", "status": 500, "times": 2}]
    assert client.get("/api/Authenticate", headers=headers()).status_code == 500


@pytest.mark.parametrize("body", ["", "[1]", "{", '{"latency": "slow"}', '{"nonsense": 1}'])
def test_a_bad_knob_is_a_400_with_a_sentence(client: FlaskClient, body: str) -> None:
    """And nothing is turned."""
    answer = client.post("/_emulator/faults", data=body)
    assert answer.status_code == 400
    assert answer.get_json()["error"] == "bad_request"
    assert "must be" in answer.get_json()["error_description"] or "no such knob" in str(
        answer.get_json()
    )
    assert client.get("/_emulator/faults").get_json()["faults"] == []


def test_a_reset_answers_how_the_knobs_stand(client: FlaskClient) -> None:
    """Faults and counters are gone."""
    client.post("/_emulator/faults", json={"status": 500, "times": None})
    client.get("/api/Authenticate", headers=headers())
    assert client.post("/_emulator/reset").get_json()["faults"] == []
    assert client.get("/_emulator/stats").get_json()["calls"]["authenticate"] == 0
    assert client.get("/api/Authenticate", headers=headers()).status_code == 200


def test_whoami_takes_a_living_access_token(client: FlaskClient, canvas: Canvas) -> None:
    """It says whose it is, as a business API would know."""
    token = canvas.authenticate(*GLOBEX).access_token
    answer = client.get("/_emulator/whoami", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert answer.get_json() == {"organization": "globex"}


def test_whoami_takes_nothing_else(client: FlaskClient, canvas: Canvas) -> None:
    """No token, another scheme, the prefix twice, a refresh token: 401, counted."""
    pair = canvas.authenticate(*ACME)
    for authorization in (
        "",
        pair.access_token,
        f"Basic {pair.access_token}",
        f"Bearer Bearer {pair.access_token}",
        f"Bearer {pair.refresh_token}",
    ):
        assert _whoami(client, authorization) == 401
    assert client.get("/_emulator/stats").get_json()["calls"]["whoami"] == 5


def test_an_access_token_is_revoked_at_once(client: FlaskClient, canvas: Canvas) -> None:
    """With or without the vendor's prefix; a second time there is nothing to revoke."""
    token = canvas.authenticate(*ACME).access_token
    sent = {"access_token": f"Bearer {token}"}
    assert client.post("/_emulator/revoke", json=sent).get_json() == {"revoked": 1}
    assert client.post("/_emulator/revoke", json=sent).get_json() == {"revoked": 0}
    assert _whoami(client, f"Bearer {token}") == 401


def test_all_access_tokens_of_an_organization_are_revoked(
    client: FlaskClient, canvas: Canvas
) -> None:
    """Nobody needs to know them."""
    token = canvas.authenticate(*ACME).access_token
    answer = client.post("/_emulator/revoke", json={"organization": "acme"})
    assert answer.get_json() == {"revoked": 1}
    assert _whoami(client, f"Bearer {token}") == 401


@pytest.mark.parametrize(
    "sent", [{}, {"token": "x"}, {"access_token": 3}, {"access_token": "x", "organization": "acme"}]
)
def test_revoking_says_what_it_needs(client: FlaskClient, sent: dict[str, Any]) -> None:
    """One of two fields, and no other."""
    answer = client.post("/_emulator/revoke", json=sent)
    assert answer.status_code == 400
    assert "access_token" in answer.get_json()["error_description"]


def test_a_wrong_method_is_told_the_right_one(client: FlaskClient) -> None:
    """In the usual header."""
    answer = client.get("/_emulator/reset")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
    assert answer.get_json()["error"] == "method_not_allowed"


def test_releasing_tells_how_many_were_held(client: FlaskClient) -> None:
    """None, here."""
    assert client.post("/_emulator/release").get_json() == {"released": 0}
