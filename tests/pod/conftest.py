from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture
def directory() -> Iterator[Path]:
    """Give a directory for sockets; pytest's own may be too long a path for one."""
    with TemporaryDirectory(prefix="pod-") as path:
        yield Path(path)
