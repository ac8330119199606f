"""Canvas's two calls over HTTP, as documented, and with every fault that needs no real socket."""

import gzip
import json
import zlib
from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from broker.emulator.app import create_emulator
from broker.emulator.bodies import PADDING
from broker.emulator.canvas import Canvas
from broker.emulator.controls import Controls
from tests.emulator.support import ACME, GLOBEX, NOW, FakeClock, headers, make_canvas, payload


@pytest.fixture
def clock() -> FakeClock:
    """Return Canvas's clock."""
    return FakeClock()


@pytest.fixture
def canvas(clock: FakeClock) -> Canvas:
    """Return a strict Canvas of two organizations."""
    return make_canvas(clock)


@pytest.fixture
def controls(canvas: Canvas) -> Controls:
    """Return the knobs of the emulator under test."""
    return Controls(canvas)


@pytest.fixture
def client(canvas: Canvas, controls: Controls) -> FlaskClient:
    """Return an HTTP client of the emulator under test."""
    return create_emulator(canvas, controls=controls).test_client()


def authenticate(client: FlaskClient, keys: tuple[str, str] = ACME) -> TestResponse:
    """Call Authenticate."""
    return client.get("/api/Authenticate", headers=headers(keys))


def refresh(client: FlaskClient, token: str, keys: tuple[str, str] = ACME) -> TestResponse:
    """Call RefreshAccessToken."""
    query = {"refreshToken": token}
    return client.get("/api/RefreshAccessToken", query_string=query, headers=headers(keys))


def document(answer: TestResponse) -> dict[str, Any]:
    """Return the JSON of a good answer."""
    assert answer.status_code == 200
    parsed: dict[str, Any] = json.loads(answer.get_data())
    return parsed


def stats(controls: Controls) -> dict[str, Any]:
    """Return the counters."""
    return controls.report()


def test_authenticate_answers_the_documented_object(client: FlaskClient) -> None:
    """Prefix inside the value, seven fractional digits, 899 s and 24 h."""
    answer = authenticate(client)
    pair = document(answer)
    assert answer.headers["Content-Type"] == "application/json"
    assert pair["access_token"].startswith("Bearer eyJhbGciOiJIUzI1NiIs")
    assert pair["accessTokenExpiresDateTime"][:25] == "2022-04-27T14:16:20.94581"
    assert pair["refreshTokenExpiresDateTime"][:25] == "2022-04-28T14:01:21.94581"
    assert len(pair["refreshTokenExpiresDateTime"]) == len("2022-04-28T14:01:21.9458102+00:00")


def test_refresh_answers_the_same_object_with_another_refresh_token(client: FlaskClient) -> None:
    """It rotates, and the access token lives 600 s."""
    first = document(authenticate(client))
    second = document(refresh(client, first["refresh_token"]))
    assert second.keys() == first.keys()
    assert second["refresh_token"] != first["refresh_token"]
    claims = payload(second["access_token"].removeprefix("Bearer "))
    assert claims["exp"] - claims["iat"] == 600


def test_exp_is_the_expiry_cut_to_whole_seconds(client: FlaskClient) -> None:
    """As in the vendor's examples."""
    pair = document(authenticate(client))
    shown = datetime.fromisoformat(pair["accessTokenExpiresDateTime"])
    assert payload(pair["access_token"].removeprefix("Bearer "))["exp"] == int(shown.timestamp())


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"Consumer": ACME[0]},
        {"SecretKey": ACME[1]},
        {"Consumer": ACME[0], "Secret-Key": ACME[1]},
        {"Consumer": GLOBEX[0], "SecretKey": ACME[1]},
    ],
)
def test_wrong_or_missing_keys_are_a_401(client: FlaskClient, sent: dict[str, str]) -> None:
    """For both calls, also when the refresh token is good."""
    token = document(authenticate(client))["refresh_token"]
    assert client.get("/api/Authenticate", headers=sent).status_code == 401
    query = {"refreshToken": token}
    answer = client.get("/api/RefreshAccessToken", query_string=query, headers=sent)
    assert answer.status_code == 401
    assert refresh(client, token).status_code == 200


def test_a_refresh_token_that_is_not_found_is_a_404(client: FlaskClient) -> None:
    """A made-up one, none at all, another organization's, and one that was used."""
    token = document(authenticate(client))["refresh_token"]
    assert refresh(client, "0" * 32).status_code == 404
    assert refresh(client, token, GLOBEX).status_code == 404
    assert client.get("/api/RefreshAccessToken", headers=headers()).status_code == 404
    assert refresh(client, token).status_code == 200
    assert refresh(client, token).status_code == 404


def test_only_get_is_a_call(client: FlaskClient, controls: Controls) -> None:
    """A HEAD must not use up a refresh token."""
    for method in ("HEAD", "POST", "PUT"):
        answer = client.open("/api/Authenticate", method=method, headers=headers())
        assert answer.status_code == 405
    assert stats(controls)["calls"]["authenticate"] == 0


def test_other_paths_are_not_canvas(client: FlaskClient) -> None:
    """Without the base path, or spelled otherwise; the answer is JSON."""
    for path in ("/Authenticate", "/api/authenticate", "/api/Authenticate/"):
        answer = client.get(path, headers=headers())
        assert answer.status_code == 404
        assert answer.get_json()["error"] == "not_found"


@pytest.mark.parametrize("status", [401, 404, 429, 500, 502, 503, 504])
def test_a_status_comes_instead_of_the_answer(
    client: FlaskClient, controls: Controls, status: int
) -> None:
    """The work is not done, so the refresh token is as good as before."""
    token = document(authenticate(client))["refresh_token"]
    controls.turn({"status": status})
    answer = refresh(client, token)
    assert answer.status_code == status
    assert answer.get_data() == b""
    assert "Retry-After" not in answer.headers
    assert refresh(client, token).status_code == 200


def test_the_work_may_be_done_before_a_status(client: FlaskClient, controls: Controls) -> None:
    """Then the refresh token is used up and nobody has its successor."""
    token = document(authenticate(client))["refresh_token"]
    controls.turn({"status": 502, "work": True, "body": "html"})
    answer = refresh(client, token)
    assert answer.status_code == 502
    assert answer.mimetype == "text/html"
    assert refresh(client, token).status_code == 404


def test_retry_after_in_seconds(client: FlaskClient, controls: Controls) -> None:
    """As a number."""
    controls.turn({"status": 503, "retry_after": 17})
    assert authenticate(client).headers["Retry-After"] == "17"


def test_retry_after_as_a_date_goes_by_the_date_of_the_answer(
    client: FlaskClient, controls: Controls
) -> None:
    """Also when that date is wrong."""
    controls.turn({"status": 429, "retry_after": 17, "retry_after_as": "date", "date_shift": 3600})
    answer = authenticate(client)
    told, now = (parsedate_to_datetime(answer.headers[name]) for name in ("Retry-After", "Date"))
    assert (told - now).total_seconds() == 17
    assert int(now.timestamp()) == int(NOW + 3600)


def test_clock_and_date_can_be_wrong(client: FlaskClient, controls: Controls) -> None:
    """The clock takes the date with it; the date alone leaves the tokens right."""
    controls.turn({"clock_shift": -600})
    slow = authenticate(client)
    assert document(slow)["accessTokenExpiresDateTime"].startswith("2022-04-27T14:06:20")
    assert slow.headers["Date"] == "Wed, 27 Apr 2022 13:51:21 GMT"
    controls.turn({"clock_shift": 0, "date_shift": -600})
    wrong = authenticate(client)
    assert document(wrong)["accessTokenExpiresDateTime"].startswith("2022-04-27T14:16:20")
    assert wrong.headers["Date"] == "Wed, 27 Apr 2022 13:51:21 GMT"


def test_an_answer_may_be_a_page_for_people(client: FlaskClient, controls: Controls) -> None:
    """By default the work is done; it need not be."""
    token = document(authenticate(client))["refresh_token"]
    controls.turn({"body": "html", "work": False})
    answer = refresh(client, token)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    controls.turn({"body": "html"})
    assert refresh(client, token).mimetype == "text/html"
    assert refresh(client, token).status_code == 404


def test_an_answer_may_be_empty_or_half(client: FlaskClient, controls: Controls) -> None:
    """Both say 200 and neither is JSON."""
    controls.turn({"body": "empty"})
    assert authenticate(client).get_data() == b""
    controls.turn({"body": "half"})
    half = authenticate(client)
    assert half.content_length == len(half.get_data())
    with pytest.raises(json.JSONDecodeError):
        json.loads(half.get_data())


def test_an_answer_may_be_too_big(client: FlaskClient, controls: Controls) -> None:
    """It is good JSON, for whoever reads it all."""
    controls.turn({"body": "oversize"})
    answer = authenticate(client)
    assert len(answer.get_data()) > PADDING
    assert document(answer)["access_token"].startswith("Bearer ")


def test_an_answer_may_have_the_wrong_types(client: FlaskClient, controls: Controls) -> None:
    """Every field is there, and none is a string."""
    controls.turn({"body": "wrong_types"})
    pair = document(authenticate(client))
    assert len(pair) == 4
    assert not any(isinstance(value, str) for value in pair.values())


def test_a_bad_access_token_may_come_with_a_good_refresh_token(
    client: FlaskClient, controls: Controls
) -> None:
    """Nothing stands behind the prefix."""
    controls.turn({"body": "no_access_token"})
    pair = document(authenticate(client))
    assert pair["access_token"] == "Bearer "
    assert refresh(client, pair["refresh_token"]).status_code == 200


def test_the_expiry_may_be_missing(client: FlaskClient, controls: Controls) -> None:
    """The rest of the answer is good."""
    controls.turn({"expiry": "missing"})
    pair = document(authenticate(client))
    assert "accessTokenExpiresDateTime" not in pair
    assert refresh(client, pair["refresh_token"]).status_code == 200


def test_the_expiry_may_be_past(client: FlaskClient, controls: Controls, canvas: Canvas) -> None:
    """The token says so too, and is dead; the refresh token is good."""
    controls.turn({"expiry": "past"})
    pair = document(authenticate(client))
    jwt = pair["access_token"].removeprefix("Bearer ")
    assert datetime.fromisoformat(pair["accessTokenExpiresDateTime"]).timestamp() < NOW
    assert payload(jwt)["exp"] < NOW
    assert not canvas.whoami(jwt)
    assert refresh(client, pair["refresh_token"]).status_code == 200


@pytest.mark.parametrize(
    ("knobs", "field", "value"),
    [
        ({"expiry": "null"}, "accessTokenExpiresDateTime", None),
        ({"expiry": "no_offset"}, "accessTokenExpiresDateTime", "2022-04-27T14:16:20.9458103"),
        ({"refresh_token": "missing"}, "refresh_token", ...),
        ({"refresh_token": "null"}, "refresh_token", None),
        ({"refresh_token": "empty"}, "refresh_token", ""),
        ({"refresh_expiry": "missing"}, "refreshTokenExpiresDateTime", ...),
        ({"refresh_expiry": "null"}, "refreshTokenExpiresDateTime", None),
        ({"refresh_expiry": "no_offset"}, "refreshTokenExpiresDateTime", "2022-04-28T14:01:21"),
        ({"refresh_expiry": "past"}, "refreshTokenExpiresDateTime", "1970-01-01T00:00:00"),
    ],
)
def test_one_field_may_be_flawed(
    client: FlaskClient, controls: Controls, knobs: dict[str, Any], field: str, value: object
) -> None:
    """The others are good, and so is the token that Canvas itself knows."""
    controls.turn({"fraction_digits": 0, "utc_as": "z", **knobs})
    pair = document(authenticate(client))
    if isinstance(value, str) and value:
        assert pair[field].removesuffix("+00:00").split(".")[0] == value.split(".")[0]
    else:
        assert pair.get(field, ...) == value
    assert pair["access_token"].startswith("Bearer ey")
    assert len(pair) == (3 if value is ... else 4)


def test_the_prefix_may_be_missing(client: FlaskClient, controls: Controls, canvas: Canvas) -> None:
    """The bare JWT is the token."""
    controls.turn({"prefix": False})
    assert canvas.whoami(document(authenticate(client))["access_token"])


@pytest.mark.parametrize(
    ("encoding", "name", "decode"),
    [
        ("gzip", "gzip", gzip.decompress),
        ("deflate", "deflate", zlib.decompress),
        ("raw_deflate", "deflate", lambda body: zlib.decompress(body, -zlib.MAX_WBITS)),
        ("unknown", "x-unknown", bytes),
    ],
)
def test_a_body_may_be_encoded(
    client: FlaskClient,
    controls: Controls,
    encoding: str,
    name: str,
    decode: Callable[[bytes], bytes],
) -> None:
    """Though nobody asked for it."""
    controls.turn({"encoding": encoding})
    answer = authenticate(client)
    assert answer.headers["Content-Encoding"] == name
    assert len(json.loads(decode(answer.get_data()))) == 4


def test_an_answer_may_have_many_headers(client: FlaskClient, controls: Controls) -> None:
    """As behind several edges."""
    controls.turn({"headers": 150})
    assert len(authenticate(client).headers) > 150


class TestCache:
    """A shared cache before Canvas."""

    def test_it_gives_an_answer_again(
        self, client: FlaskClient, controls: Controls, clock: FakeClock
    ) -> None:
        """With the old date, and its age; then Canvas is asked anew."""
        controls.turn({"cache": 60})
        first = authenticate(client)
        clock.advance(59)
        again = authenticate(client)
        assert again.get_data() == first.get_data()
        assert again.headers["Date"] == first.headers["Date"]
        assert (first.headers.get("Age"), again.headers["Age"]) == (None, "59")
        clock.advance(1)
        assert authenticate(client).get_data() != first.get_data()

    def test_it_may_hide_the_age(
        self, client: FlaskClient, controls: Controls, clock: FakeClock
    ) -> None:
        """The answer looks like a new one of a Canvas whose clock is behind."""
        controls.turn({"cache": 60, "cache_tells_age": False})
        first = authenticate(client)
        clock.advance(59)
        again = authenticate(client)
        assert again.get_data() == first.get_data()
        assert "Age" not in again.headers

    @pytest.mark.parametrize("obeys", [True, False])
    def test_it_obeys_the_request_or_not(
        self, client: FlaskClient, controls: Controls, obeys: bool
    ) -> None:
        """One that asks for an answer of Canvas itself."""
        controls.turn({"cache": 60, "cache_obeys": obeys})
        first = authenticate(client)
        asked = {**headers(), "Cache-Control": "max-age=0, No-Store"}
        again = client.get("/api/Authenticate", headers=asked)
        assert (again.get_data() != first.get_data()) is obeys

    def test_it_keeps_organizations_apart(self, client: FlaskClient, controls: Controls) -> None:
        """Their keys are part of what is asked."""
        controls.turn({"cache": 60})
        assert authenticate(client).get_data() != authenticate(client, GLOBEX).get_data()

    def test_a_reset_empties_it(self, client: FlaskClient, controls: Controls) -> None:
        """As it puts everything back."""
        controls.turn({"cache": 60})
        first = authenticate(client)
        controls.reset()
        controls.turn({"cache": 60})
        assert authenticate(client).get_data() != first.get_data()


def test_a_body_fault_does_not_hide_a_refusal(client: FlaskClient, controls: Controls) -> None:
    """There is no good answer to spoil."""
    for fault in ({"body": "half"}, {"body": "html"}, {"expiry": "missing"}):
        controls.turn(fault)
        assert authenticate(client, ("x", "y")).status_code == 401


@pytest.mark.parametrize(("drop", "afterwards"), [("request", 200), ("answer", 404)])
def test_a_call_may_be_dropped(
    client: FlaskClient, controls: Controls, drop: str, afterwards: int
) -> None:
    """Before the work, or after it: then the refresh token is used up."""
    token = document(authenticate(client))["refresh_token"]
    controls.turn({"drop": drop})
    with pytest.raises(ConnectionAbortedError):
        refresh(client, token)
    assert refresh(client, token).status_code == afterwards
    assert stats(controls)["answers"]["dropped"] == 1
    assert stats(controls)["in_flight"] == 0


def test_an_answer_may_drip(client: FlaskClient, controls: Controls) -> None:
    """Byte by byte, of the promised length, and in flight until the last."""
    controls.turn({"drip": 0.001, "status": 502, "body": "html"})
    answer = authenticate(client)
    assert answer.get_data().startswith(b"<!DOCTYPE html>")
    assert answer.content_length == len(answer.get_data())
    assert stats(controls)["in_flight"] == 0


def test_calls_and_answers_are_counted(client: FlaskClient, controls: Controls) -> None:
    """By kind, organization and status; refresh tokens by fingerprint."""
    token = document(authenticate(client))["refresh_token"]
    refresh(client, token)
    refresh(client, token)
    authenticate(client, ("x", "y"))
    report = stats(controls)
    assert report["calls"] == {"authenticate": 2, "refresh": 2, "whoami": 0}
    assert report["answers"] == {"200": 2, "401": 1, "404": 1}
    assert list(report["refresh_tokens"].values()) == [2]
    assert report["presented_twice"] == 1
    assert report["organizations"].keys() == {"acme", "unknown"}
    assert (report["in_flight"], report["most_in_flight"]) == (0, 1)


def test_a_throttled_refresh_may_be_repeated(client: FlaskClient, controls: Controls) -> None:
    """The token was presented two times, and not twice where it counts."""
    token = document(authenticate(client))["refresh_token"]
    controls.turn({"status": 503, "retry_after": 1})
    assert refresh(client, token).status_code == 503
    assert refresh(client, token).status_code == 200
    assert list(stats(controls)["refresh_tokens"].values()) == [2]
    assert stats(controls)["presented_twice"] == 0


def test_a_call_that_crashes_is_not_in_flight_for_ever(
    client: FlaskClient, controls: Controls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in the emulator itself does not spoil its counters."""
    monkeypatch.setattr(Canvas, "date", lambda _: 1 / 0)
    client.application.testing = True
    with pytest.raises(ZeroDivisionError):
        authenticate(client)
    assert stats(controls)["in_flight"] == 0
