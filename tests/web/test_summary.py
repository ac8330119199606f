"""One line per request, for a share of them."""

import logging
from typing import Any

import pytest
from flask import Flask

from broker.web.summary import RequestLog
from tests.fakes import FakeClock
from tests.web.rig import KEY, Rig


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return what goes with each line."""
    names = ("method", "path", "status", "seconds", "remote")
    found = [vars(one) for one in caplog.records if one.message == "request.answered"]
    assert all(line["levelname"] == "INFO" for line in found)
    return [{name: line[name] for name in names} for line in found]


def rig_with(share: float, chance: float = 0.5) -> Rig:
    """Return a service that logs a share of its requests."""
    rig = Rig("acme")
    RequestLog(rig.clock, share, lambda: chance).install(rig.app)
    return rig


@pytest.fixture(autouse=True)
def _hear(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "broker.web.summary")


def test_a_line_says_what_was_asked_and_answered(caplog: pytest.LogCaptureFixture) -> None:
    """And how long it took, by the monotonic clock."""
    rig_with(1.0).get()
    (line,) = lines(caplog)
    assert line.pop("seconds") == pytest.approx(0.1, abs=0.01)
    assert line == {"method": "GET", "path": "/token", "status": 200, "remote": "127.0.0.1"}


def test_errors_have_their_line_too(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever they are."""
    rig = rig_with(1.0)
    rig.get(key=None)
    rig.client.put("/token")
    assert [line["status"] for line in lines(caplog)] == [401, 405]


def test_nothing_that_was_sent_is_repeated(caplog: pytest.LogCaptureFixture) -> None:
    """Neither query nor path nor method, which may hold a key by mistake."""
    rig = rig_with(1.0)
    rig.get(f"/{KEY}")
    rig.get(f"/token?{KEY}={KEY}")
    rig.client.open("/token", method=KEY)
    assert len(lines(caplog)) == 3
    assert KEY not in str([vars(one) for one in caplog.records])


@pytest.mark.parametrize(("share", "chance", "count"), [(0.5, 0.6, 0), (0.5, 0.4, 1), (0, 0, 0)])
def test_only_a_share_is_told(
    caplog: pytest.LogCaptureFixture, share: float, chance: float, count: int
) -> None:
    """As chance decides; none costs nothing."""
    rig_with(share, chance).get()
    assert len(lines(caplog)) == count


def test_without_a_share_nothing_is_installed() -> None:
    """The request path is as short as before."""
    app = Flask("x")
    before = len(app.before_request_funcs), len(app.after_request_funcs)
    RequestLog(FakeClock(), 0.0).install(app)
    assert (len(app.before_request_funcs), len(app.after_request_funcs)) == before
