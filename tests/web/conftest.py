import logging
from pathlib import Path

import pytest

from broker.callers import key_digest
from tests.files.folders import keys, write
from tests.web.house import House
from tests.web.rig import KEY, Rig


@pytest.fixture
def rig() -> Rig:
    """One organization, acme, whose Canvas and Redis work."""
    return Rig("acme")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Give settings with the files behind them."""
    return write_environ(tmp_path)


def write_environ(tmp_path: Path) -> dict[str, str]:
    """Write the files and return the settings; their Redis and Canvas are never asked."""
    write(tmp_path / "credentials" / "acme", keys("a"))
    write_callers(tmp_path / "callers.toml", KEY)
    return {
        "BROKER_CREDENTIALS_DIR": str(tmp_path / "credentials"),
        "BROKER_CALLERS_FILE": str(tmp_path / "callers.toml"),
        "BROKER_REDIS_URL": "redis://:redis-password@127.0.0.1:1/0",
        "BROKER_CANVAS_URL": "http://127.0.0.1:1/api",
    }


def write_callers(path: Path, key: str, name: str = "billing") -> None:
    """Write a callers file with one caller that has ``key``."""
    path.write_text(f'[callers.{name}]\nkey_sha256 = "{key_digest(key)}"\norganizations = ["*"]\n')


@pytest.fixture
def house(environ: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> House:
    """Nothing runs yet; its log is heard."""
    caplog.set_level(logging.INFO, logger="broker")
    return House(environ, tmp_path)
