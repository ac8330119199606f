"""What the audit hears of each request for a token, and what it never hears."""

from dataclasses import asdict
from typing import Any

import pytest

from broker.audit.entry import AuditEntry
from broker.errors import KeysRejectedError, NotSentError, UpstreamError
from broker.policy.answers import Hindrance
from broker.tokens import State
from tests.fakes import START
from tests.web.accounts import Accounts
from tests.web.rig import AUDIT_KEY, KEY, Rig, error_of


def heard(rig: Rig) -> dict[str, Any]:
    """Return the one entry, but for the request's own id and address."""
    assert len(rig.audit) == 1
    entry = asdict(rig.audit[0])
    assert entry.pop("remote") == "127.0.0.1"
    assert entry.pop("request_id") == "the-request"
    return entry


def get(rig: Rig, path: str = "/token", key: str | None = KEY) -> None:
    """Ask with a request id."""
    rig.get(path, key, X_Request_ID="the-request")


def test_a_token_served(rig: Rig) -> None:
    """By name, organization, generation and state."""
    get(rig)
    entry = heard(rig)
    assert entry.pop("generation") >= int(START)
    assert entry == {
        "caller": "billing",
        "organization": "acme",
        "state": State.FRESH,
        "outcome": "served",
    }


def test_a_token_served_by_the_token_endpoint(rig: Rig) -> None:
    """The same."""
    rig.post(basic=("billing", KEY), X_Request_ID="the-request")
    entry = heard(rig)
    assert (entry["caller"], entry["organization"], entry["outcome"]) == (
        "billing",
        "acme",
        "served",
    )


@pytest.mark.parametrize(
    ("path", "key", "caller", "organization", "outcome"),
    [
        ("/token", None, None, None, "invalid_token"),
        ("/token", "wrong", None, None, "invalid_token"),
        ("/token?organization=acme", "wrong", None, None, "invalid_token"),
        ("/token?organization=globex", KEY, "billing", "globex", "insufficient_scope"),
        ("/token?organization=nowhere", KEY, "billing", None, "insufficient_scope"),
        ("/token?x=1", KEY, "billing", None, "invalid_request"),
        ("/token", AUDIT_KEY, "audit", None, "invalid_request"),
        ("/token?organization=acme&min_ttl=9999", KEY, "billing", "acme", "invalid_request"),
    ],
)
def test_a_token_refused(
    path: str, key: str | None, caller: str | None, organization: str | None, outcome: str
) -> None:
    """With all that is known of it; an organization that is not there is not repeated."""
    rig = Rig("acme", "globex")
    get(rig, path, key)
    assert heard(rig) == {
        "caller": caller,
        "organization": organization,
        "generation": None,
        "state": None,
        "outcome": outcome,
    }


@pytest.mark.parametrize(
    ("form", "basic", "outcome"),
    [
        ({}, None, "invalid_request"),
        ({"grant_type": "x"}, None, "unsupported_grant_type"),
        (None, ("billing", "wrong"), "invalid_client"),
        ({"grant_type": "client_credentials", "scope": "x"}, ("billing", KEY), "invalid_scope"),
    ],
)
def test_a_token_refused_by_the_token_endpoint(
    rig: Rig, form: dict[str, str] | None, basic: tuple[str, str] | None, outcome: str
) -> None:
    """In its own words."""
    rig.post(form, basic, X_Request_ID="the-request")
    assert heard(rig)["outcome"] == outcome


def test_no_token_to_give(rig: Rig) -> None:
    """Is told as what the caller was told."""
    rig.canvas.errors = [NotSentError("connect")] * 9
    get(rig)
    assert heard(rig)["outcome"] == "temporarily_unavailable"


def test_the_broker_learns_who_asks(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, whatever the way to ask: the places to wait are shared among callers."""
    named: list[str] = []
    token = rig.broker.token

    def listen(name: str, *, caller: str = "", **wish: Any) -> Any:
        named.append(caller)
        return token(name, caller=caller, **wish)

    monkeypatch.setattr(rig.broker, "token", listen)
    rig.get()
    rig.post(basic=("billing", KEY))
    rig.get("/token?organization=acme", AUDIT_KEY)
    assert named == ["billing", "billing", "audit"]


def test_an_unforeseen_error_is_heard_too(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing passes the desk unseen."""
    monkeypatch.setattr(rig.broker, "token", lambda *_, **__: 1 / 0)
    get(rig)
    assert heard(rig)["outcome"] == "temporarily_unavailable"


def test_what_asks_for_no_token_is_not_audited(rig: Rig) -> None:
    """Probes, and requests for nothing."""
    for path in ("/health", "/health/live", "/nothing"):
        rig.get(path)
    rig.client.put("/token")
    rig.client.options("/token")
    assert rig.audit == []


def test_no_key_and_no_token_is_ever_heard(rig: Rig) -> None:
    """Whatever was sent, wherever."""
    get(rig)
    get(rig, f"/token?organization={KEY}&{KEY}={KEY}")
    get(rig, f"/token?organization={KEY}")
    rig.post({"grant_type": KEY, "scope": KEY, "client_id": KEY}, ("billing", KEY))
    text = "".join(entry.line("now").decode() for entry in rig.audit)
    assert KEY not in text
    assert "access-" not in text
    assert {field for entry in rig.audit for field in asdict(entry)} == set(
        AuditEntry.__dataclass_fields__
    )


def test_time_spent_on_the_credential_is_not_spent_again() -> None:
    """Fetching a cluster's keys takes a second; the request as a whole stays bounded."""
    accounts = Accounts()
    rig = Rig("acme", service_accounts=accounts)
    accounts.before_answer = lambda: rig.clock.sleep(1.2)
    rig.runtime.hold = True
    began = rig.clock.monotonic()
    error_of(rig.get(key="token-of/shop:pod"), 503, "temporarily_unavailable")
    assert 2.9 < rig.clock.monotonic() - began < 3.2


def test_each_request_is_counted_with_its_time(rig: Rig) -> None:
    """By outcome and state; the first one has waited for Canvas."""
    rig.get()
    rig.get(key=None)
    rig.post(basic=("billing", "wrong"))
    (first, state, seconds), *rest = rig.tally.asked
    assert (first, state) == ("served", State.FRESH)
    assert seconds == pytest.approx(0.1, abs=0.01)
    assert rest == [("invalid_token", None, 0.0), ("invalid_client", None, 0.0)]
    assert rig.tally.reasons == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NotSentError("connect"), Hindrance.REFRESH_FAILING),
        (KeysRejectedError("keys"), Hindrance.CREDENTIALS_REJECTED),
    ],
)
def test_a_token_served_while_something_is_wrong_is_counted(
    rig: Rig, error: UpstreamError, reason: Hindrance
) -> None:
    """By what is wrong."""
    rig.get()
    rig.clock.sleep(450)
    rig.canvas.errors = [error] * 99
    rig.broker.tick()
    assert rig.get().status_code == 200
    assert rig.tally.reasons == [reason]


def test_a_token_served_without_redis_is_counted(rig: Rig) -> None:
    """From memory, for as long as it lives."""
    rig.get()
    rig.redis_answers = False
    rig.clock.sleep(2)
    assert rig.get().status_code == 200
    assert rig.tally.reasons == [Hindrance.STORE_UNAVAILABLE]
