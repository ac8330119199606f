"""An environment that is right, for tests to spoil."""

from pathlib import Path

import pytest

from broker.callers import key_digest
from tests.files.folders import keys, write

CALLER_KEY = "ctb_a-key-of-a-caller"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Hold the least that must be set, with the files behind it."""
    write(tmp_path / "credentials" / "acme", keys("a"))
    callers = tmp_path / "callers.toml"
    callers.write_text(
        f'[callers.billing]\nkey_sha256 = "{key_digest(CALLER_KEY)}"\norganizations = ["*"]\n'
    )
    return {
        "BROKER_CREDENTIALS_DIR": str(tmp_path / "credentials"),
        "BROKER_CALLERS_FILE": str(callers),
        "BROKER_REDIS_URL": "redis://redis:6379/0",
        "PATH": "/bin",
    }
