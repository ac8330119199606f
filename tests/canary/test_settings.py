"""A secret pasted into the wrong variable stops the start, and is not repeated there."""

import os
import subprocess
from pathlib import Path

import pytest

from broker.errors import SettingsError
from broker.settings import CATALOGUE, load
from tests.canary.finder import Finder
from tests.canary.stage import CONSUMER, KNOWN, SECRET_KEY, write_settings
from tests.integration.deployment import SERVE

PASTED = "s3cr3t pasted/by=mistake"
NAMES = [setting.name for setting in CATALOGUE]
NAMES += [f"{setting.name}_FILE" for setting in CATALOGUE if setting.secret]
DISGUISES = {
    "as it is": PASTED,
    "as a URL": f"redis://{PASTED}:{PASTED}@{PASTED}/{PASTED}",
    "not UTF-8": f"\udcff{PASTED}",
    "as a list": f"{PASTED},{PASTED}",
}


@pytest.mark.parametrize("text", DISGUISES)
@pytest.mark.parametrize("name", NAMES)
def test_not_repeated(name: str, text: str, tmp_path: Path) -> None:
    """Each setting says what is wrong with its value, in words of its own."""
    environ = write_settings(tmp_path, "http://127.0.0.1:1/api", 1)
    environ[name] = DISGUISES[text]
    error = refusal(environ)
    if error is not None:
        said = "\n".join([str(error), repr(error), *error.problems])
        assert (error.__cause__, error.__context__) == (None, None)
        assert Finder(PASTED).leaks(said) == []
        assert said.startswith("- BROKER_")


@pytest.mark.parametrize("name", ["BROKER_CONSUMER", "BROKER_SECRET_KEY"])
def test_keys_that_are_no_text_are_refused(name: str, tmp_path: Path) -> None:
    """An environment may hold any bytes; the error that Python has for them quotes them."""
    environ = write_settings(tmp_path, "http://127.0.0.1:1/api", 1)
    del environ["BROKER_CREDENTIALS_DIR"]
    environ |= {"BROKER_CONSUMER": CONSUMER, "BROKER_SECRET_KEY": SECRET_KEY}
    assert refusal(environ) is None
    error = refusal({**environ, name: f"\udcff{PASTED}"})
    assert error is not None
    assert Finder(PASTED).leaks(str(error)) == []


def refusal(environ: dict[str, str]) -> SettingsError | None:
    """Return why these settings are refused, if they are."""
    try:
        load(environ)
    except SettingsError as error:
        return error
    return None


@pytest.mark.sockets
def test_all_at_once_in_a_real_process(tmp_path: Path) -> None:
    """One message for all of it, on standard error, and no traceback."""
    environ = write_settings(tmp_path, "http://127.0.0.1:1/api", 1)
    environ |= dict.fromkeys(NAMES, PASTED)
    environ["BROKER_CONSUMER"] = SECRET_KEY
    ended = subprocess.run(
        SERVE,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert "The settings are not usable" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert Finder(*KNOWN, PASTED).leaks(ended.stdout + ended.stderr) == []
