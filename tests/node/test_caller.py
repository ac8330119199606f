import errno
import threading
from collections.abc import Iterator

import pytest
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import NewConnectionError

from tests.node import caller
from tests.node.caller import PAUSE, Tally, code_of, kind_of, obey


def refused() -> BaseException:
    """Return what urllib3 makes of a refused connection."""
    try:
        try:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "no")
        except OSError as error:
            raise NewConnectionError(HTTPSConnection("broker.example"), "no") from error
    except NewConnectionError as error:
        return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refused(), "ECONNREFUSED"),
        (OSError(errno.EHOSTUNREACH, "no"), "EHOSTUNREACH"),
        (ConnectionResetError(errno.ECONNRESET, "no"), "ECONNRESET"),
        (TimeoutError("timed out"), "TimeoutError"),
    ],
    ids=["refused", "unreachable", "reset", "timeout"],
)
def test_a_failure_has_the_name_that_the_system_gives_it(error: BaseException, kind: str) -> None:
    """However deep it lies; else that of its class."""
    assert kind_of(error) == kind


def test_an_error_of_the_broker_has_its_code() -> None:
    """Whatever comes instead of one is told as well."""
    assert code_of(b'{"error": "store_unavailable"}') == "store_unavailable"
    assert code_of(b"<html>") == "without a code"
    assert code_of(b"[]") == "without a code"


def test_all_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """A failure is a request as well, and told at once."""
    tally = Tally()
    tally.answered("kept", 0.5, "token-aaaaaa")
    tally.answered("new", 0.25, "token-aaaaaa")
    tally.failed({"group": "new", "took": 2.0})
    assert '"failure"' in capsys.readouterr().out
    summary = tally.summary()
    assert (summary["requests"], summary["slowest"], summary["median"]) == (3, 2.0, 0.5)
    assert summary["by_group"] == {"kept": 1, "new": 2}
    assert summary["tokens"] == 1


def test_callers_pause_go_on_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the lines say; who pauses ends as well."""
    asking, ended = threading.Event(), threading.Event()
    monkeypatch.setattr(caller, "ASKING", asking)
    monkeypatch.setattr(caller, "ENDED", ended)
    seen = []

    def lines() -> Iterator[str]:
        for line in (PAUSE, "go on\n", PAUSE):
            yield line
            seen.append((asking.is_set(), ended.is_set()))

    asking.set()
    obey(lines())
    assert seen == [(False, False), (True, False), (False, False)]
    assert asking.is_set()
    assert ended.is_set()
