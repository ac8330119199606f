from pathlib import Path

import pytest

from tests.web.conftest import write_environ


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Give settings with the files behind them."""
    return write_environ(tmp_path)
