"""Who has no caller's key gets one and the same 401, whatever is wrong."""

from base64 import b64encode

import pytest

from broker.callers import Caller, Callers, key_digest
from broker.web.authentication import NobodyIsAsked
from tests.web.rig import AUDIT_KEY, CALLERS, KEY, OTHER_KEY, WEAK, Rig, error_of, having

FRESH = "ctb_a-key-that-is-new"

NO_CALLER = (
    None,
    "",
    "Bearer",
    "Bearer ",
    "Bearer  ",
    "bearer",
    KEY,
    f"Bearer{KEY}",
    f"Basic {KEY}",
    f"Basic {b64encode(f'billing:{KEY}'.encode()).decode()}",
    f"Token {KEY}",
    f"Bearer, {KEY}",
    f"Bearer x {KEY}",
    f"Bearer {KEY} x",
    f"Bearer {KEY},Bearer {KEY}",
    f"Bearer Bearer {KEY}",
    f"Bearer {KEY[:-1]}",
    f"Bearer {KEY.upper()}",
    f"Bearer {key_digest(KEY)}",
    "Bearer unknown",
    "Bearer k\xc3\xa9y",
    "Bearer \xff\xfe",
    "Bearer \x00",
    f"Bearer {'x' * 4096}",
    f"Bearer {'x' * 100_000}",
)


def _ask(rig: Rig, authorization: str | None, path: str = "/token") -> tuple[bytes, str]:
    """Send the header as the server would hand it over; return body and headers."""
    environ = {"HTTP_X_REQUEST_ID": "same"}
    if authorization is not None:
        environ["HTTP_AUTHORIZATION"] = authorization
    response = rig.client.get(path, environ_base=environ)
    error_of(response, 401, "invalid_token")
    return response.data, str(response.headers)


@pytest.mark.parametrize("authorization", NO_CALLER)
def test_each_way_of_being_nobody_is_told_alike(rig: Rig, authorization: str | None) -> None:
    """Byte for byte, so that it tells nothing of the keys there are; if nothing was sent, too."""
    sent = (authorization or "").lower()
    other = "Bearer another-unknown-key" if sent.startswith("bearer ") and sent[7:].strip() else ""
    assert _ask(rig, authorization) == _ask(rig, other)
    assert rig.canvas.calls == []


def test_the_challenge_is_that_of_rfc_6750(rig: Rig) -> None:
    """With realm and error code; without the code where no credential was sent (section 3.1)."""
    assert rig.get(key=None).headers["WWW-Authenticate"] == 'Bearer realm="canvas-token-broker"'
    challenge = rig.get(key="another").headers["WWW-Authenticate"]
    assert challenge == 'Bearer realm="canvas-token-broker", error="invalid_token"'


@pytest.mark.parametrize("key", WEAK)
def test_a_weak_key_opens_nothing(rig: Rig, key: str) -> None:
    """Even if the file has it: it is answered as an unknown key is."""
    rig.callers = having(key)
    assert _ask(rig, f"Bearer {key}") == _ask(rig, f"Bearer {'x' * 20}" if key.strip(" ") else "")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_read_in_any_case(rig: Rig, scheme: str) -> None:
    """As RFC 9110 says of schemes."""
    response = rig.client.get("/token", headers={"Authorization": f"{scheme} {KEY}"})
    assert response.status_code == 200


def test_more_than_one_space_before_the_key_does_no_harm(rig: Rig) -> None:
    """RFC 9110 allows it."""
    response = rig.client.get("/token", headers={"Authorization": f"Bearer   {KEY}"})
    assert response.status_code == 200


@pytest.mark.parametrize("key", [KEY, OTHER_KEY])
def test_a_caller_may_have_several_keys(rig: Rig, key: str) -> None:
    """While they are rotated."""
    assert rig.get(key=key).status_code == 200


def test_callers_replaced_at_run_time_count_from_the_next_request(rig: Rig) -> None:
    """Who is taken off is out at once, who is put on is in."""
    assert rig.get().status_code == 200
    rig.callers = having(FRESH)
    error_of(rig.get(), 401, "invalid_token")
    assert rig.get(key=FRESH).status_code == 200
    rig.callers = CALLERS
    assert rig.get().status_code == 200


def test_an_organization_taken_from_a_caller_is_forbidden_at_once(rig: Rig) -> None:
    """The key is still good."""
    rig.callers = Callers((Caller("billing", frozenset(), frozenset({key_digest(KEY)})),))
    error_of(rig.get("/token?organization=acme"), 403, "insufficient_scope")


def test_who_asks_comes_before_what_is_asked(rig: Rig) -> None:
    """Nobody learns the parameters or organizations without a key."""
    for query in ("nonsense=1", "organization=nowhere", "min_ttl=-1", "organization=ACME"):
        _ask(rig, "Bearer unknown", f"/token?{query}")


def test_the_key_is_taken_from_the_header_only(rig: Rig) -> None:
    """Not from the query, where logs would keep it, nor from a cookie."""
    rig.client.set_cookie("Authorization", f"Bearer {KEY}")
    _ask(rig, None, f"/token?access_token={KEY}")


def test_where_nobody_is_asked_everybody_may_use_everything() -> None:
    """With or without a key, which counts for nothing."""
    rig = Rig("acme", "globex", authentication=NobodyIsAsked())
    assert rig.get("/token?organization=globex", key=None).status_code == 200
    assert rig.get("/token?organization=acme", key="whatever").status_code == 200
    error_of(rig.get(key=None), 400, "invalid_request")
    error_of(rig.get("/token?organization=nowhere", key=None), 403, "insufficient_scope")


def test_health_asks_nobody_for_a_key(rig: Rig) -> None:
    """Probes have none."""
    assert rig.get("/health/live", key=None).status_code == 200
    assert rig.get("/health", key="unknown").status_code == 200
    assert AUDIT_KEY not in rig.get("/health", key=AUDIT_KEY).text
