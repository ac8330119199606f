"""``GET /metrics`` over HTTP."""

from tests.web.rig import Rig


def test_it_is_prometheus_text(rig: Rig) -> None:
    """For whoever asks; nobody needs a key."""
    rig.get()
    response = rig.client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert response.headers["Cache-Control"] == "no-store"
    assert 'broker_token_expires_in_seconds{organization="acme",token="access"} ' in response.text


def test_openmetrics_for_who_asks_for_it(rig: Rig) -> None:
    """As Prometheus does."""
    accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
    response = rig.client.get("/metrics", headers={"Accept": accept})
    assert response.headers["Content-Type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


def test_the_countdown_is_that_of_the_moment(rig: Rig) -> None:
    """Not of the last event."""

    def left() -> float:
        lines = rig.client.get("/metrics").text.splitlines()
        name = 'broker_token_expires_in_seconds{organization="acme",token="access"} '
        return float(next(line for line in lines if line.startswith(name)).split()[1])

    rig.get()
    before = left()
    rig.clock.sleep(100)
    assert 99 < before - left() < 101


def test_nothing_secret_is_in_it(rig: Rig) -> None:
    """Neither token nor key nor whatever was sent."""
    rig.get()
    rig.get("/token?organization=canary")
    rig.get("/token", "canary-key")
    text = rig.client.get("/metrics").text
    assert "canary" not in text
    assert "access-1" not in text
