"""Changed files come into force without a restart; a broken one leaves the old in force."""

import logging
from pathlib import Path

import pytest

from broker.files.watch import Polled
from tests.files.folders import keys, write
from tests.redis.certificates import LOOPBACK, Authority
from tests.web.conftest import write_callers
from tests.web.house import House, told, wait_for
from tests.web.rig import KEY, OTHER_KEY


def problems_of(house: House) -> list[str]:
    """Return what health tells of the files."""
    return [problem for report in house.service.snapshot().files for problem in report.problems]


def test_new_credentials_come_into_force(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """And new organizations with them; the log says so once."""
    with house.running():
        write(house.root / "credentials" / "acme", keys("b"))
        write(house.root / "credentials" / "globex", keys("c"))
        wait_for(lambda: house.rig.broker.organizations == {"acme", "globex"})
        wait_for(lambda: house.version() == keys("b").version)
    assert ("INFO", "files.reloaded", {"what": "credentials"}) in told(caplog)
    assert not [event for level, event, _ in told(caplog) if level == "ERROR"]


def test_new_callers_come_into_force(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """The old key is out, the new one in."""
    house.service.reload()
    write_callers(house.root / "callers.toml", OTHER_KEY)
    house.service.reload()
    house.service.reload()
    assert house.inputs.callers is not None
    assert house.inputs.callers.current.find(OTHER_KEY) is not None
    assert house.inputs.callers.current.find(KEY) is None
    assert told(caplog) == [("INFO", "files.reloaded", {"what": "callers"})]


def test_unchanged_files_are_not_told(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """However often one looks."""
    for _ in range(5):
        house.service.reload()
    assert told(caplog) == []


def test_unchanged_files_change_nothing(house: House) -> None:
    """What rests on which organizations there are is not found out again at each look."""
    for _ in range(3):
        house.service.reload()
    known = house.rig.broker.organizations
    assert known == {"acme"}
    for _ in range(5):
        house.service.reload()
        assert house.rig.broker.organizations is known


def test_broken_credentials_are_told_once_and_leave_the_old_in_force(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """The line names the file and never what is in it."""
    house.service.reload()
    (house.root / "credentials" / "acme" / "consumer").write_text("canary")
    for _ in range(5):
        house.service.reload()
    ((level, event, extra),) = told(caplog)
    assert (level, event, extra["what"]) == ("ERROR", "files.refused", "credentials")
    assert "acme/consumer must be 64 hexadecimal digits" in extra["problems"][0]
    assert "canary" not in repr(extra)
    assert house.version() == keys("a").version


def test_broken_callers_are_told_once_and_leave_the_old_in_force(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Health tells it as long as it lasts, the repair is told again."""
    (house.root / "callers.toml").write_text("canary = [")
    for _ in range(5):
        house.service.reload()
    assert [line[:2] for line in told(caplog)] == [("ERROR", "files.refused")]
    assert house.inputs.callers is not None
    assert house.inputs.callers.current.find(KEY) is not None
    assert problems_of(house) == list(house.inputs.callers.problems) != []
    write_callers(house.root / "callers.toml", KEY)
    for _ in range(5):
        house.service.reload()
    assert told(caplog)[1:] == [("INFO", "files.reloaded", {"what": "callers"})]
    assert problems_of(house) == []


def test_the_report_joins_the_problems_of_both(house: House) -> None:
    """Beside the organizations."""
    house.service.reload()
    (house.root / "credentials" / "acme" / "consumer").unlink()
    (house.root / "callers.toml").unlink()
    house.service.reload()
    problems = problems_of(house)
    organizations = house.service.snapshot().organizations
    assert [o.organization for o in organizations] == ["acme"]
    assert [problem.split(":")[0].split()[0] for problem in problems] == [
        "BROKER_CREDENTIALS_DIR",
        "BROKER_CALLERS_FILE",
    ]


def test_without_callers_only_the_credentials_are_looked_at(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """Nobody is asked who he is, so there is no file."""
    del environ["BROKER_CALLERS_FILE"]
    house = House({**environ, "BROKER_CALLER_AUTH": "none"}, tmp_path)
    house.service.reload()
    assert house.inputs.callers is None
    assert problems_of(house) == []


def test_an_exception_does_not_end_the_reloading(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its class is told and its message is not."""
    poll = house.inputs.credentials.poll
    crashes = iter(range(3))

    def crash() -> Polled:
        if next(crashes, None) is not None:
            raise RuntimeError("canary")
        return poll()

    with house.running():
        monkeypatch.setattr(house.inputs.credentials, "poll", crash)
        write(house.root / "credentials" / "acme", keys("b"))
        wait_for(lambda: house.version() == keys("b").version)
    crashed = ("ERROR", "reload.crashed", {"error": "RuntimeError"})
    assert told(caplog).count(crashed) == 3
    assert "canary" not in caplog.text


def test_credentials_that_could_not_be_taken_over_are_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file does not change once more only because the broker failed."""
    house.service.reload()
    house.service.reload()
    write(house.root / "credentials" / "acme", keys("b"))
    with monkeypatch.context() as patched:
        patched.setattr(house.rig.broker, "configure", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            house.service.reload()
    house.service.reload()
    assert house.version() == keys("b").version


def test_broken_certificates_are_told_once_and_leave_the_old_in_force(
    environ: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In the log and in health; so is the repair in the log."""
    pair = Authority(tmp_path, "authority").server(LOOPBACK)
    tls = {"BROKER_TLS_CERT_FILE": str(pair.certificate), "BROKER_TLS_KEY_FILE": str(pair.key)}
    caplog.set_level(logging.INFO)
    house = House({**environ, **tls}, tmp_path)
    assert house.inputs.certificates is not None
    before, good = house.inputs.certificates.current, pair.key.read_bytes()
    pair.key.write_text("canary")
    for _ in range(3):
        house.service.reload()
    sentence = "BROKER_TLS_KEY_FILE must hold a private key in PEM"
    assert problems_of(house) == [sentence]
    assert house.inputs.certificates.current is before
    pair.key.write_bytes(good)
    for _ in range(3):
        house.service.reload()
    assert problems_of(house) == []
    assert told(caplog) == [
        ("ERROR", "files.refused", {"what": "certificates", "problems": (sentence,)}),
        ("INFO", "files.reloaded", {"what": "certificates"}),
    ]
