from collections.abc import Iterator

import pytest

from tests.image.built import Image, unpacked


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    """Unpack the image once."""
    with unpacked() as found:
        yield found
