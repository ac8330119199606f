"""What runs beside the requests starts with its worker and ends with it, within bounds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.files.folders import keys, write
from tests.web.house import House, threads, told, wait_for


def test_a_started_service_has_its_organizations_and_two_threads(house: House) -> None:
    """They end with it."""
    assert house.rig.broker.organizations == frozenset()
    with house.running():
        assert house.rig.broker.organizations == {"acme"}
        assert house.version() == keys("a").version
        assert threads() == {"refresher", "reloader"}
    assert threads() == set()


def test_a_service_closes_connections_that_nobody_uses(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks for them time and again."""
    looks: list[None] = []
    monkeypatch.setattr("broker.web.service.CONNECTIONS_INTERVAL", 0.01)
    monkeypatch.setattr(house.redis, "close_unused", lambda: looks.append(None))
    with house.running():
        wait_for(lambda: len(looks) > 1)


def test_the_refresher_gets_the_first_token_unasked(house: House) -> None:
    """A pod is warm before its first request."""
    with house.running():
        wait_for(lambda: bool(house.rig.broker.health()[0].generation))
    assert house.rig.canvas.versions == [keys("a").version]


def test_start_takes_over_what_changed_since_the_files_were_read(house: House) -> None:
    """Time passes between the fork and the start of a worker."""
    write(house.root / "credentials" / "acme", keys("b"))
    with house.running():
        assert house.version() == keys("b").version


def test_a_stopping_service_lands_the_last_commit(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """A token that Canvas gave is not lost with the process."""
    house.service.reload()

    def redis_dies() -> None:
        house.rig.redis_answers = False

    house.rig.canvas.before_answer = redis_dies
    assert house.rig.broker.token("acme").access_token.reveal() == "access-1"
    assert not house.rig.broker.health()[0].landed
    house.rig.redis_answers = True
    house.service.stop()
    assert house.rig.broker.health()[0].landed
    assert told(caplog)[-1] == ("INFO", "service.stopped", {"finished": True})


def test_a_stop_is_bounded_even_if_redis_stays_away(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """It gives the upstream deadline and five seconds, then says that it did not finish."""
    house.service.reload()

    def redis_dies() -> None:
        house.rig.redis_answers = False

    house.rig.canvas.before_answer = redis_dies
    house.rig.broker.token("acme")
    before = house.rig.clock.monotonic()
    house.service.stop()
    assert house.rig.clock.monotonic() - before == pytest.approx(15, abs=0.2)
    assert told(caplog)[-1] == ("INFO", "service.stopped", {"finished": False})


LATE = """
import json, sys, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from broker.audit.entry import AuditEntry
from broker.audit.log import AuditLog
from broker.clock import SystemClock
from broker.output.sinks import sink
from tests.web.house import House

def request():
    stopped.wait()
    audit.write(AuditEntry("late", "10.0.0.9"))

stopped, audit = threading.Event(), AuditLog(sink("stdout"), SystemClock())
house = House(json.loads(sys.argv[1]), Path(sys.argv[2]), audit)
house.service.start()
ThreadPoolExecutor().submit(request)
house.service.stop()
stopped.set()
"""


@pytest.mark.sockets
def test_a_request_that_outlives_the_stop_is_audited(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """The last lines are written once the process has waited for its requests."""
    command = sys.executable, "-c", LATE, json.dumps(environ), str(tmp_path)
    ended = subprocess.run(command, capture_output=True, check=True, timeout=60)
    (line,) = ended.stdout.splitlines()
    assert json.loads(line)["request_id"] == "late"


def test_a_stopped_service_takes_no_more_work(house: House) -> None:
    """Its pool of threads is closed."""
    house.service.stop()
    with pytest.raises(RuntimeError):
        house.runtime.spawn(lambda: None)
