"""Every answer carries a request id: the caller's own if it is sane, else a new one."""

import re

import pytest

from tests.web.rig import Rig

NEW = re.compile(r"[0-9a-f]{32}")
PATHS = ("/token", "/token?x=1", "/nowhere", "/health", "/health/live", "/health/ready")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("key", [None, "ctb_billing"])
def test_each_answer_has_a_new_one(rig: Rig, path: str, key: str | None) -> None:
    """Good or bad, and no two alike."""
    given = [rig.get(path, key).headers["X-Request-ID"] for _ in range(2)]
    assert all(NEW.fullmatch(one) for one in given)
    assert len(set(given)) == 2


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "sent", ["a", "trace-1.2_3", "x" * 128, "018f3c5e-7b1a-7c00-8000-0123456789ab"]
)
def test_a_sane_one_is_kept(rig: Rig, path: str, sent: str) -> None:
    """So that a request can be followed from service to service."""
    assert rig.get(path, X_Request_ID=sent).headers.getlist("X-Request-ID") == [sent]


@pytest.mark.parametrize(
    "sent",
    [
        "",
        " ",
        "a b",
        " a",
        "x" * 129,
        "x" * 10_000,
        "a,b",
        "a;b",
        '"a"',
        "<b>",
        "a\r\nSet-Cookie: x=y",
        "a\n",
        "a\x00",
        "../a",
        "a/b",
        "\xe9",
        "{}",
    ],
)
def test_any_other_is_replaced(rig: Rig, sent: str) -> None:
    """Nothing of it comes back."""
    response = rig.client.get("/health/live", environ_base={"HTTP_X_REQUEST_ID": sent})
    assert NEW.fullmatch(response.headers["X-Request-ID"])
    assert "Set-Cookie" not in response.headers


def test_an_unforeseen_error_has_the_same_id_as_its_request(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There it is needed most."""
    monkeypatch.setattr(rig.broker, "token", lambda *_, **__: 1 / 0)
    assert rig.get(X_Request_ID="mine").headers["X-Request-ID"] == "mine"
